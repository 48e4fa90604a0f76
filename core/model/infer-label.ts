import type { ColumnSummary } from './column-summary.ts';
import type { MetricName } from './evaluation-section.ts';
import { nearestNames } from './nearest-names.ts';
import type { Task } from './task.ts';

/** The data cannot be modelled as it is; the message names the column, what it has, and the fix. */
export class UnusableDataError extends Error {
  override readonly name = 'UnusableDataError';
}

export interface InferredLabel {
  readonly type: 'boolean' | 'integer' | 'number';
  readonly task: Task;
  readonly metric: MetricName;
  readonly why: string;
}

const quoted = (text: string): string => `'${text.slice(0, 60)}'`;

/** @throws UnusableDataError naming what the file has instead. */
export function columnNamed(role: string, name: string, names: readonly string[]): string {
  if (names.includes(name)) return name;
  const near = nearestNames(name, names);
  const advice =
    near.length > 0
      ? `did you mean ${near.map(quoted).join(' or ')}?`
      : `there are ${names.slice(0, 30).map(quoted).join(', ')}${names.length > 30 ? ', …' : ''}`;
  throw new UnusableDataError(`${role}: the file has no column ${quoted(name)}; ${advice}`);
}

function textLabel({ name, distinct, top }: ColumnSummary): never {
  const [first, second] = top;
  if (distinct === 2 && first && second) {
    const [zero, one] = [first.value, second.value].sort();
    throw new UnusableDataError(
      `--label: '${name}' has the texts ${quoted(zero ?? '')} and ${quoted(one ?? '')}, and a label is 0 or 1; ` +
        `write it as numbers first, for ${quoted(one ?? '')} as the class that is predicted: ` +
        `df['${name}'] = (df['${name}'] == ${quoted(one ?? '')}).astype(int)`,
    );
  }
  throw new UnusableDataError(
    `--label: '${name}' is text with ${distinct.toLocaleString('en-US')} different values, as in ${top
      .slice(0, 3)
      .map(({ value }) => quoted(value))
      .join(', ')}; a label is 0 or 1, or a number. ` +
      `For one class against the others: df['is_it'] = (df['${name}'] == ${quoted(first?.value ?? '')}).astype(int)`,
  );
}

/**
 * What is predicted, from the label's values.
 * @throws UnusableDataError where they cannot be learned
 */
export function inferLabel(label: ColumnSummary, rows: number): InferredLabel {
  const { name, missing, distinct, top } = label;
  if (missing === rows) throw new UnusableDataError(`--label: '${name}' has no value in any row`);
  if (distinct === 1) {
    throw new UnusableDataError(
      `--label: every row has ${quoted(top[0]?.value ?? '')} in '${name}', so that there is nothing to tell apart; add rows of the other class`,
    );
  }
  if (missing > 0) {
    throw new UnusableDataError(
      `--label: '${name}' is missing in ${missing.toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} rows, and such a row cannot be learned from; ` +
        `leave them out of the file: df = df.dropna(subset=['${name}'])`,
    );
  }
  if (label.isBoolean) {
    const why = 'the label is true or false';
    return { type: 'boolean', task: 'binary_classification', metric: 'auc', why };
  }
  if (!label.isNumber && !label.isInteger) textLabel(label);
  const two = label.isInteger && distinct === 2;
  if (two && label.minimum === 0 && label.maximum === 1) {
    const why = 'the label is 0 or 1';
    return { type: 'integer', task: 'binary_classification', metric: 'auc', why };
  }
  const range = `from ${label.minimum} to ${label.maximum}`;
  if (two) {
    throw new UnusableDataError(
      `--label: '${name}' has two values, ${label.minimum} and ${label.maximum}, and the two classes are 0 and 1; ` +
        `write it so: df['${name}'] = (df['${name}'] == ${label.maximum}).astype(int)`,
    );
  }
  const few = label.isInteger && distinct <= 10;
  return {
    type: label.isInteger ? 'integer' : 'number',
    task: 'regression',
    metric: 'rmse',
    why: few
      ? `the label is one of ${distinct} whole numbers ${range}; where they are classes, make one model for each, or serve them from a container`
      : `the label is a number ${range}`,
  };
}
