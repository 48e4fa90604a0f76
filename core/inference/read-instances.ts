import type { RawValue } from '../features/raw-values.ts';
import { shownValue, type ValueCheck, valueCheck } from './check-value.ts';
import { type Instances, maximumInstances, maximumProblems } from './instances.ts';
import { InvalidRequestError } from './invalid-request-error.ts';
import { isObject, type JsonObject } from './parse-json-body.ts';
import type { Signature, SignatureColumn } from './signature.ts';

interface Field {
  readonly name: string;
  readonly check: ValueCheck;
  readonly mayBeAbsent: boolean;
  readonly type: SignatureColumn['type'];
  /** What passes without a further look; NaN where the column has more rules than these. */
  readonly minimum: number;
  readonly maximum: number;
  readonly hasList: boolean;
}

function fieldOf(column: SignatureColumn, mayBeAbsent: boolean): Field {
  const widest = column.type === 'integer' ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE;
  return {
    ...{ name: column.name, type: column.type, mayBeAbsent, check: valueCheck(column) },
    minimum: Math.max(column.minimum ?? -Infinity, -widest),
    maximum: Math.min(column.maximum ?? Infinity, widest),
    hasList: column.allowed !== undefined,
  };
}

/** Whether a value is certainly right; what is not is looked at again, by the check that has the words. */
function isPlain({ type, minimum, maximum, hasList }: Field, value: unknown): value is RawValue {
  if (hasList) return false;
  switch (type) {
    case 'number':
      return typeof value === 'number' && value >= minimum && value <= maximum;
    case 'integer':
      return (
        Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
      );
    case 'string':
      return typeof value === 'string';
    case 'boolean':
      return typeof value === 'boolean';
    case 'timestamp':
      return false;
  }
}

interface Known {
  readonly fields: readonly Field[];
  readonly names: ReadonlySet<string>;
  readonly label: string | undefined;
}

function knownOf({ inputs, label, passthrough }: Signature): Known {
  const fields = [
    ...passthrough.map((column) => fieldOf({ ...column, nullable: true }, true)),
    ...inputs.map((column) => fieldOf(column, column.nullable)),
  ];
  return { fields, names: new Set(fields.map(({ name }) => name)), label };
}

function unknownProblems(instance: JsonObject, { fields, names, label }: Known): string[] {
  return Object.keys(instance)
    .filter((name) => !names.has(name))
    .map((name) => {
      const problem =
        name === label
          ? 'is the label: leave it out'
          : `is not a known field; use ${fields.map((field) => field.name).join(', ')}`;
      return `${JSON.stringify(name.slice(0, 80))}: ${problem}`;
    });
}

function keyCount(instance: JsonObject): number {
  let keys = 0;
  for (const _ in instance) keys += 1;
  return keys;
}

/** Reads the rows of one request. */
class Reading {
  /** In the order of the fields. */
  readonly columns: RawValue[][];
  readonly problems: string[] = [];
  /** Of all instances together. */
  keys = 0;
  readonly #known: Known;
  readonly #place: string;

  constructor(known: Known, rows: number, place: string) {
    this.#known = known;
    this.#place = place;
    this.columns = known.fields.map(() => new Array<RawValue>(rows));
  }

  /** Writes one instance into its columns and tells what is wrong with it. */
  read(instance: JsonObject, row: number): void {
    const { fields } = this.#known;
    let present = 0;
    for (let i = 0; i < fields.length; i += 1) {
      const field = fields[i] as Field;
      const value = instance[field.name];
      const column = this.columns[i] as RawValue[];
      if (isPlain(field, value)) {
        present += 1;
        column[row] = value;
      } else if (Object.hasOwn(instance, field.name)) {
        present += 1;
        column[row] = this.#checked(field, value, row);
      } else {
        column[row] = null;
        if (!field.mayBeAbsent) this.#tell(row, `.${field.name}: is missing; send a ${field.type}`);
      }
    }
    const keys = keyCount(instance);
    this.keys += keys;
    if (keys === present) return;
    for (const problem of unknownProblems(instance, this.#known)) this.#tell(row, `.${problem}`);
  }

  refuse(row: number, received: unknown): void {
    this.#tell(row, `: send an object (received ${shownValue(received)})`);
  }

  #checked({ name, check }: Field, value: unknown, row: number): RawValue {
    const problem = check(value);
    if (problem !== undefined) this.#tell(row, `.${name}: ${problem}`);
    return value as RawValue;
  }

  #tell(row: number, problem: string): void {
    this.problems.push(`${this.#place}[${row}]${problem}`);
  }
}

function checkedList(value: unknown, place: string): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw new InvalidRequestError([
      `${place}: send an array of objects (received ${shownValue(value)})`,
    ]);
  }
  if (value.length === 0) {
    throw new InvalidRequestError([`${place}: send at least one instance (received none)`]);
  }
  if (value.length > maximumInstances) {
    throw new InvalidRequestError([
      `${place}: send at most ${maximumInstances} per request, the others in further requests (received ${value.length})`,
    ]);
  }
  return value;
}

export interface ReadInstances {
  readonly instances: Instances;
  /** How many keys the objects have together. */
  readonly keys: number;
}

/** Reads a list of objects with raw named fields. @param place how messages call the list */
export type InstancesReader = (list: unknown, place: string) => ReadInstances;

/**
 * Makes the reader of a model's rows. The reader throws InvalidRequestError naming instance, field, value and
 * fix of what is wrong; values of sensitive columns are not told.
 */
export function instancesReader(signature: Signature): InstancesReader {
  const known = knownOf(signature);
  return (value, place) => {
    const list = checkedList(value, place);
    const reading = new Reading(known, list.length, place);
    for (let row = 0; row < list.length && reading.problems.length < maximumProblems; row += 1) {
      const instance = list[row];
      if (isObject(instance)) reading.read(instance, row);
      else reading.refuse(row, instance);
    }
    if (reading.problems.length > 0) throw new InvalidRequestError(reading.problems);
    const columns: Record<string, readonly RawValue[]> = Object.create(null);
    for (const [i, { name }] of known.fields.entries()) columns[name] = reading.columns[i] ?? [];
    const called = (row: number, column: string) => `${place}[${row}].${column}`;
    return { instances: { rows: list.length, columns, place: called }, keys: reading.keys };
  };
}
