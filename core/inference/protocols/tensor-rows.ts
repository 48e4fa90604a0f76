// From the tensors of a request to rows: a tensor per raw column, or one of all columns where they are numbers.
import type { RawValue } from '../../features/raw-values.ts';
import { type ValueCheck, valueCheck } from '../check-value.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import type { LoadedVersion } from '../loaded-version.ts';
import { type Instances, maximumInstances, maximumProblems } from '../parse-instances.ts';
import type { Signature, SignatureColumn } from '../signature.ts';
import {
  type MatrixColumns,
  MatrixInstances,
  matrixColumns,
  matrixProblems,
  type NumberMatrix,
} from './number-matrix.ts';
import { type Tensor, tensorCalled } from './tensor.ts';
import { columnDatatypes, columnValues, matrixValues } from './tensor-values.ts';

/** The one tensor that has all columns, in the signature's order. */
export const matrixName = 'instances';

interface Field {
  readonly column: SignatureColumn;
  readonly check: ValueCheck;
  readonly mayBeAbsent: boolean;
}

/** What a version takes; the matrix where all of its inputs are numbers. */
interface Known {
  readonly fields: ReadonlyMap<string, Field>;
  readonly matrix: MatrixColumns | undefined;
  readonly label: string | undefined;
}

function knownOf({ signature, spec }: LoadedVersion): Known {
  const field = (column: SignatureColumn, mayBeAbsent: boolean): [string, Field] => [
    column.name,
    { column, check: valueCheck(column), mayBeAbsent },
  ];
  const fields = new Map([
    ...signature.passthrough.map((column) => field({ ...column, nullable: true }, true)),
    ...signature.inputs.map((column) => field(column, column.nullable)),
  ]);
  const matrix = fields.has(matrixName) ? undefined : matrixColumns(signature, spec);
  return { fields, matrix, label: signature.label };
}

const known = new WeakMap<Signature, Known>();

function knownFor(version: LoadedVersion): Known {
  let found = known.get(version.signature);
  if (!found) {
    found = knownOf(version);
    known.set(version.signature, found);
  }
  return found;
}

const hasShape = (shape: readonly number[], width: number): boolean =>
  shape.length === 2 ? shape[1] === width : width === 1 && shape.length === 1;

/** How many rows a tensor has. @throws InvalidRequestError */
function rowsOf({ name, shape }: Tensor, width: number): number {
  if (!hasShape(shape, width)) {
    const wanted = width === 1 ? '[N] or [N, 1]' : `[N, ${width}]`;
    throw new InvalidRequestError([
      `${tensorCalled(name)}: send the shape ${wanted}, N rows (received [${shape.join(', ')}])`,
    ]);
  }
  const [rows = 0] = shape;
  if (rows > 0 && rows <= maximumInstances) return rows;
  const fix =
    rows === 0
      ? 'send at least one row'
      : `send at most ${maximumInstances} rows per request, the others in further requests`;
  throw new InvalidRequestError([`${tensorCalled(name)}: ${fix} (received ${rows})`]);
}

/** What is wrong with the names of the tensors that were sent. */
function* sentProblems(
  tensors: readonly Tensor[],
  { fields, matrix, label }: Known,
): Generator<string> {
  const sent = new Set<string>();
  for (const { name } of tensors) {
    if (sent.has(name)) yield `${tensorCalled(name)}: is there twice; send it once`;
    sent.add(name);
    if (fields.has(name) || (matrix && name === matrixName)) continue;
    const list = [...fields.keys(), ...(matrix ? [`or all numbers as ${matrixName}`] : [])];
    const problem = `is not a known input; send ${list.join(', ')}`;
    yield `${tensorCalled(name)}: ${name === label ? 'is the label: leave it out' : problem}`;
  }
}

/** What is missing beside the tensors that were sent, or is there in two ways. */
function* missingProblems(sent: ReadonlySet<string>, { fields, matrix }: Known): Generator<string> {
  const inMatrix = new Set(sent.has(matrixName) ? matrix?.names : []);
  for (const [name, { column, mayBeAbsent }] of fields) {
    if (inMatrix.has(name)) {
      if (sent.has(name)) {
        yield `${tensorCalled(name)}: is in ${matrixName} already; send it once`;
      }
    } else if (!mayBeAbsent && !sent.has(name)) {
      yield `${tensorCalled(name)}: is missing; send it as ${columnDatatypes[column.type]} [N]`;
    }
  }
}

function checkNames(tensors: readonly Tensor[], all: Known): void {
  const sent = new Set(tensors.map(({ name }) => name));
  const problems = [...sentProblems(tensors, all), ...missingProblems(sent, all)];
  if (problems.length > 0) throw new InvalidRequestError(problems);
}

/** How many rows there are: as many in one tensor as in the others. */
function commonRows(tensors: readonly Tensor[], matrix: MatrixColumns | undefined): number {
  const [first] = tensors;
  const widthOf = ({ name }: Tensor) => (matrix && name === matrixName ? matrix.names.length : 1);
  const rows = first ? rowsOf(first, widthOf(first)) : 0;
  for (const tensor of tensors.slice(1)) {
    const found = rowsOf(tensor, widthOf(tensor));
    if (found === rows) continue;
    throw new InvalidRequestError([
      `${tensorCalled(tensor.name)}: send ${rows} rows, as ${tensorCalled(first?.name ?? '')} has (received ${found})`,
    ]);
  }
  return rows;
}

const columnPlace = (row: number, column: string): string => `${tensorCalled(column)}[${row}]`;
const matrixPlace =
  ({ names }: MatrixColumns) =>
  (row: number, column: string): string =>
    `${tensorCalled(matrixName)}[${row}, ${names.indexOf(column)}] (${column})`;

/** The columns that were sent, and the missing ones of those that may be missing. */
function columnsOf(
  tensors: readonly Tensor[],
  fields: Known['fields'],
  rows: number,
): { columns: Record<string, RawValue[]>; problems: string[] } {
  const problems: string[] = [];
  const columns: Record<string, RawValue[]> = Object.create(null);
  for (const name of fields.keys()) columns[name] = [];
  for (const tensor of tensors) {
    const field = fields.get(tensor.name);
    if (field) columns[tensor.name] = columnValues(tensor, field, problems);
  }
  for (const name of fields.keys()) {
    if (columns[name]?.length === 0) columns[name] = new Array<null>(rows).fill(null);
  }
  return { columns, problems };
}

/**
 * Reads the rows of a request's tensors.
 * @throws InvalidRequestError naming tensor, place, value and fix; values of sensitive columns are not told.
 */
export function tensorRows(version: LoadedVersion, tensors: readonly Tensor[]): Instances {
  const all = knownFor(version);
  checkNames(tensors, all);
  const rows = commonRows(tensors, all.matrix);
  const whole = all.matrix && tensors.find(({ name }) => name === matrixName);
  if (!all.matrix || !whole) {
    const { columns, problems } = columnsOf(tensors, all.fields, rows);
    if (problems.length > 0) throw new InvalidRequestError(problems);
    return { rows, columns, place: columnPlace };
  }
  const place = matrixPlace(all.matrix);
  const matrix: NumberMatrix = matrixValues(whole, all.matrix);
  const inMatrix = new Set(all.matrix.names);
  const beside = new Map([...all.fields].filter(([name]) => !inMatrix.has(name)));
  const { columns: others, problems } = columnsOf(tensors, beside, rows);
  problems.push(
    ...matrixProblems(all.matrix, matrix, place, Math.max(1, maximumProblems - problems.length)),
  );
  if (problems.length > 0) throw new InvalidRequestError(problems);
  return new MatrixInstances(all.matrix, matrix, { others, place });
}
