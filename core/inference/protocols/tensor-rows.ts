// From the tensors of a request to rows: a tensor per raw column, or one of all columns where they are numbers.
import type { RawColumns, RawValue } from '../../features/raw-values.ts';
import { type ValueCheck, valueCheck } from '../check-value.ts';
import { type Instances, maximumInstances, maximumProblems } from '../instances.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import type { SignatureColumn } from '../signature.ts';
import type { LoadedVersion } from '../versions/loaded-version.ts';
import {
  type MatrixColumns,
  MatrixInstances,
  matrixColumns,
  matrixProblems,
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

/** All columns as one tensor, and what may come along. */
interface Whole {
  readonly columns: MatrixColumns;
  readonly beside: ReadonlyMap<string, Field>;
  readonly place: (row: number, column: string) => string;
  readonly completed: (columns: RawColumns, rows: number) => RawColumns;
}

/** What a version takes; whole where all of its inputs are numbers. */
interface Known {
  readonly fields: ReadonlyMap<string, Field>;
  readonly whole: Whole | undefined;
  readonly label: string | undefined;
}

function wholeOf(
  { signature, spec }: LoadedVersion,
  fields: ReadonlyMap<string, Field>,
): Whole | undefined {
  const columns = fields.has(matrixName) ? undefined : matrixColumns(signature, spec);
  if (!columns) return undefined;
  const { names } = columns;
  const beside = new Map([...fields].filter(([name]) => !names.includes(name)));
  return {
    columns,
    beside,
    completed: (sent, rows) => complete(Object.assign(Object.create(null), sent), beside, rows),
    place: (row, column) =>
      `${tensorCalled(matrixName)}[${row}, ${names.indexOf(column)}] (${column})`,
  };
}

function knownOf(version: LoadedVersion): Known {
  const { inputs, passthrough, label } = version.signature;
  const field = (column: SignatureColumn, mayBeAbsent: boolean): [string, Field] => [
    column.name,
    { column, check: valueCheck(column), mayBeAbsent },
  ];
  const fields = new Map([
    ...passthrough.map((column) => field({ ...column, nullable: true }, true)),
    ...inputs.map((column) => field(column, column.nullable)),
  ]);
  return { fields, whole: wholeOf(version, fields), label };
}

const known = new WeakMap<LoadedVersion, Known>();

function knownFor(version: LoadedVersion): Known {
  let found = known.get(version);
  if (!found) {
    found = knownOf(version);
    known.set(version, found);
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

/** What is wrong with the name of a tensor. */
function nameProblem(name: string, { fields, whole, label }: Known): string | undefined {
  if (fields.has(name) || (whole && name === matrixName)) return undefined;
  if (name === label) return 'is the label: leave it out';
  const list = [...fields.keys(), ...(whole ? [`or all numbers as ${matrixName}`] : [])];
  return `is not a known input; send ${list.join(', ')}`;
}

/** @throws InvalidRequestError */
function checkNames(tensors: readonly Tensor[], all: Known, whole: Whole | undefined): void {
  const problems: string[] = [];
  const tell = (name: string, problem: string) =>
    problems.push(`${tensorCalled(name)}: ${problem}`);
  const sent = new Set<string>();
  for (const { name } of tensors) {
    const problem = nameProblem(name, all);
    if (problem !== undefined) tell(name, problem);
    else if (sent.has(name)) tell(name, 'is there twice; send it once');
    else if (whole?.columns.names.includes(name)) tell(name, `is in ${matrixName} already`);
    sent.add(name);
  }
  for (const [name, { column, mayBeAbsent }] of whole ? whole.beside : all.fields) {
    if (mayBeAbsent || sent.has(name)) continue;
    tell(name, `is missing; send it as ${columnDatatypes[column.type]} [N]`);
  }
  if (problems.length > 0) throw new InvalidRequestError(problems);
}

/** How many rows there are: as many in one tensor as in the others. @throws InvalidRequestError */
function commonRows(tensors: readonly Tensor[], whole: Whole | undefined): number {
  let rows = 0;
  for (const [index, tensor] of tensors.entries()) {
    const width = whole && tensor.name === matrixName ? whole.columns.names.length : 1;
    const found = rowsOf(tensor, width);
    if (index === 0) rows = found;
    if (found === rows) continue;
    throw new InvalidRequestError([
      `${tensorCalled(tensor.name)}: send ${rows} rows, as ${tensorCalled(tensors[0]?.name ?? '')} has (received ${found})`,
    ]);
  }
  return rows;
}

const columnPlace = (row: number, column: string): string => `${tensorCalled(column)}[${row}]`;

type Columns = Record<string, readonly RawValue[]>;

/** The columns that were sent; what is wrong with them is added to the problems. */
function sentColumns(
  tensors: readonly Tensor[],
  fields: Known['fields'],
  problems: string[],
): Columns {
  const columns: Columns = Object.create(null);
  for (const tensor of tensors) {
    const field = fields.get(tensor.name);
    if (field) columns[tensor.name] = columnValues(tensor, field, problems);
  }
  return columns;
}

/** Adds those that were not sent, and may be missing. */
function complete(columns: Columns, fields: Known['fields'], rows: number): RawColumns {
  for (const name of fields.keys()) columns[name] ??= new Array<null>(rows).fill(null);
  return columns;
}

function matrixRows(tensors: readonly Tensor[], whole: Whole): Instances {
  const { columns, beside: others, place } = whole;
  const tensor = tensors.find(({ name }) => name === matrixName) as Tensor;
  const problems: string[] = [];
  const matrix = matrixValues(tensor, columns);
  const beside = tensors.length > 1 ? sentColumns(tensors, others, problems) : undefined;
  const found = matrixProblems(columns, matrix, place, maximumProblems);
  if (problems.length + found.length > 0) throw new InvalidRequestError([...problems, ...found]);
  return new MatrixInstances(columns, matrix, { beside, completed: whole.completed, place });
}

/**
 * Reads the rows of a request's tensors.
 * @throws InvalidRequestError naming tensor, place, value and fix; values of sensitive columns are not told.
 */
export function tensorRows(version: LoadedVersion, tensors: readonly Tensor[]): Instances {
  const all = knownFor(version);
  const whole = tensors.some(({ name }) => name === matrixName) ? all.whole : undefined;
  const isMatrixAlone = whole !== undefined && tensors.length === 1;
  if (!isMatrixAlone) checkNames(tensors, all, whole);
  const rows = commonRows(tensors, whole);
  if (whole) return matrixRows(tensors, whole);
  const problems: string[] = [];
  const columns = sentColumns(tensors, all.fields, problems);
  if (problems.length > 0) throw new InvalidRequestError(problems);
  return { rows, columns: complete(columns, all.fields, rows), place: columnPlace };
}
