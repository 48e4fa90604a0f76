import type { RawColumns, RawValue } from '../features/raw-values.ts';
import { shownValue, type ValueCheck, valueCheck } from './check-value.ts';
import { InvalidRequestError } from './invalid-request-error.ts';
import { isObject, type JsonObject, parseJsonBody, writtenKeys } from './parse-json-body.ts';
import type { Signature } from './signature.ts';

/** Rows of one request, kept within Lambda's reply size and one put of the prediction log. */
export const maximumInstances = 1_000;
/** Enough to see a pattern; a request with one mistake in every row need not be told each. */
export const maximumProblems = 100;

/** The rows of a request by column: each column has one value per row, null where it was left out. */
export interface Instances {
  readonly rows: number;
  readonly columns: RawColumns;
  /** The features of all rows, where the request has them as the model takes them. */
  readonly features?: Float32Array | undefined;
  /**
   * The signature's inputs as numbers, row-major, NaN = missing, where the request has them so; `columns` are
   * then made of it when somebody asks for them.
   */
  readonly matrix?: Float32Array | Float64Array | undefined;
  /** Beside a matrix, the columns that came along. */
  readonly beside?: RawColumns | undefined;
  /** What the request calls a value, for a message. @default `instances[<row>].<column>` */
  readonly place?: (row: number, column: string) => string;
}

interface Field {
  readonly check: ValueCheck;
  readonly mayBeAbsent: boolean;
  readonly type: string;
}

interface Known {
  readonly fields: ReadonlyMap<string, Field>;
  readonly label: string | undefined;
}

function fieldsOf(signature: Signature): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const column of signature.passthrough) {
    const check = valueCheck({ ...column, nullable: true });
    fields.set(column.name, { check, mayBeAbsent: true, type: column.type });
  }
  for (const column of signature.inputs) {
    const field = { check: valueCheck(column), mayBeAbsent: column.nullable, type: column.type };
    fields.set(column.name, field);
  }
  return fields;
}

/** Writes one instance into its columns and tells what is wrong with it. */
function readInstance(
  instance: JsonObject,
  { fields, label }: Known,
  columns: Record<string, RawValue[]>,
): string[] {
  const problems: string[] = [];
  for (const [name, field] of fields) {
    const present = Object.hasOwn(instance, name);
    if (!present && !field.mayBeAbsent) problems.push(`${name}: is missing; send a ${field.type}`);
    const value = present ? instance[name] : null;
    const problem = present ? field.check(value) : undefined;
    if (problem !== undefined) problems.push(`${name}: ${problem}`);
    columns[name]?.push(value as RawValue);
  }
  for (const name of Object.keys(instance)) {
    if (fields.has(name)) continue;
    const problem =
      name === label
        ? 'is the label: leave it out'
        : `is not a known field; use ${[...fields.keys()].join(', ')}`;
    problems.push(`${JSON.stringify(name.slice(0, 80))}: ${problem}`);
  }
  return problems;
}

function checkedList(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw new InvalidRequestError([
      `instances: send an array of objects (received ${shownValue(value)})`,
    ]);
  }
  if (value.length === 0) {
    throw new InvalidRequestError(['instances: send at least one instance (received none)']);
  }
  if (value.length > maximumInstances) {
    throw new InvalidRequestError([
      `instances: send at most ${maximumInstances} per request, the others in further requests (received ${value.length})`,
    ]);
  }
  return value;
}

/** Fills the columns and tells what is wrong, up to a limit. */
function readInstances(
  list: readonly unknown[],
  known: Known,
  columns: Record<string, RawValue[]>,
): string[] {
  const problems: string[] = [];
  for (const [index, instance] of list.entries()) {
    if (problems.length >= maximumProblems) break;
    const found = isObject(instance)
      ? readInstance(instance, known, columns).map((problem) => `.${problem}`)
      : [`: send an object (received ${shownValue(instance)})`];
    for (const problem of found) problems.push(`instances[${index}]${problem}`);
  }
  return problems;
}

/** JSON.parse keeps the last of two equal keys; which one the caller meant is not ours to guess. */
function checkKeysWrittenOnce(body: string, fields: number, list: readonly unknown[]): void {
  const parsed = list.reduce<number>(
    (sum, instance) => sum + Object.keys(Object(instance)).length,
    fields,
  );
  if (writtenKeys(body) !== parsed) {
    throw new InvalidRequestError([
      'the body has an object that names a field twice; send each field once',
    ]);
  }
}

/** Clients of TensorFlow Serving name it; there is one. */
function checkSignatureName(name: unknown): void {
  if (name === undefined || name === 'serving_default') return;
  throw new InvalidRequestError([
    `signature_name: send "serving_default", or leave it out (received ${shownValue(name)})`,
  ]);
}

/**
 * Makes the parser of a model's `{"instances": [{…raw named fields}]}` bodies.
 * The parser throws InvalidRequestError naming instance, field, value and fix of what is wrong; values
 * of sensitive columns are not told.
 */
export function instancesParser(signature: Signature): (body: string) => Instances {
  const fields = fieldsOf(signature);
  const example = `{"instances": [{${signature.inputs.map(({ name }) => `"${name}": …`).join(', ')}}]}`;
  return (body) => {
    const parsed = parseJsonBody(body, 'instances', example, ['signature_name']);
    checkSignatureName(parsed['signature_name']);
    const list = checkedList(parsed['instances']);
    const columns: Record<string, RawValue[]> = Object.create(null);
    for (const name of fields.keys()) columns[name] = [];
    const problems = readInstances(list, { fields, label: signature.label }, columns);
    if (problems.length > 0) throw new InvalidRequestError(problems);
    checkKeysWrittenOnce(body, Object.keys(parsed).length, list);
    return { rows: list.length, columns };
  };
}
