import type { Column, ColumnType } from '../model/column.ts';
import type { ModelDefinition } from '../model/define-model.ts';

/** A number that a feature must hold in 32 bits is at most this far from zero. */
export const largestNumber = 3.4028234663852886e38;

/** A rule that each value of a column keeps; the message says what is wrong, and how to mend it. */
export type CellRule = { readonly column: string; readonly message: string } & (
  | { readonly rule: 'not_null' | 'type' }
  | { readonly rule: 'minimum' | 'maximum'; readonly bound: number }
  | { readonly rule: 'allowed'; readonly values: readonly (string | number)[] }
);

const formOf: Record<ColumnType, string> = {
  string: 'text',
  integer: 'an integer between -(2^53 - 1) and 2^53 - 1',
  number: 'a finite number within ±3.4e38, with a decimal point and no thousands separators',
  boolean: 'true or false',
  timestamp:
    'an ISO 8601 date or time between 1684-07-29 and 2255-06-05, as in 2026-05-31 or 2026-05-31T14:30:00Z',
};

const shownValues = (values: readonly (string | number)[]): string =>
  values.slice(0, 10).join(', ') + (values.length > 10 ? ', …' : '');

/** Everything that a column demands of its values. */
export function rulesOfColumn(name: string, column: Column): CellRule[] {
  const rules: CellRule[] = [];
  const add = (rule: CellRule): void => void rules.push(rule);
  const mend = 'correct the rows and drop the file again, or change the rule in model.ts';
  if (!column.nullable) {
    add({
      rule: 'not_null',
      column: name,
      message: `${name} has no value; fill it in, or declare the column nullable in model.ts`,
    });
  }
  add({ rule: 'type', column: name, message: `${name} must be ${formOf[column.type]}; ${mend}` });
  if (column.minimum !== undefined) {
    const message = `${name} must be at least ${column.minimum}; ${mend}`;
    add({ rule: 'minimum', column: name, bound: column.minimum, message });
  }
  if (column.maximum !== undefined) {
    const message = `${name} must be at most ${column.maximum}; ${mend}`;
    add({ rule: 'maximum', column: name, bound: column.maximum, message });
  }
  if (column.allowed) {
    const message = `${name} must be one of ${shownValues(column.allowed)}; ${mend}`;
    add({ rule: 'allowed', column: name, values: column.allowed, message });
  }
  return rules;
}

/** Everything that a definition demands of single values, column by column in the declared order. */
export function cellRules({ data, evaluation }: ModelDefinition): CellRule[] {
  const label = data.columns[data.label];
  const binary = evaluation.task === 'binary_classification' && label?.type === 'integer';
  return Object.entries(data.columns).flatMap(([name, column]) =>
    rulesOfColumn(
      name,
      // Whatever else is declared, the two classes are 0 and 1.
      name === data.label && binary && !column.allowed ? { ...column, allowed: [0, 1] } : column,
    ),
  );
}
