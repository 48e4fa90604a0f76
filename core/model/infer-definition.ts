import type { ColumnSummary, TableSummary } from './column-summary.ts';
import type { ModelDefinitionInput } from './define-model.ts';
import type { Holdout } from './evaluation-section.ts';
import { columnDocument, type InferredColumn, inferColumn } from './infer-columns.ts';
import { columnNamed, type InferredLabel, inferLabel, UnusableDataError } from './infer-label.ts';

/** Something that nobody said, by its path in model.ts, with the reason. */
export interface Guess {
  readonly path: string;
  readonly why: string;
}

export interface Wanted {
  readonly name: string;
  readonly label: string;
  readonly key?: string | undefined;
  readonly time?: string | undefined;
  /** Columns that stay text though their values are dates. */
  readonly asText?: ReadonlySet<string>;
  /** How the notebook splits, where that is known. */
  readonly holdout?: { readonly holdout: Holdout; readonly why: string } | undefined;
}

export interface InferredData {
  readonly columns: readonly InferredColumn[];
  readonly label: InferredLabel;
  readonly key: string | undefined;
  readonly time: string | undefined;
  readonly data: ModelDefinitionInput['data'];
  readonly evaluation: ModelDefinitionInput['evaluation'];
  readonly guesses: readonly Guess[];
}

const dayMicros = 86_400_000_000;
const heldOutShare = 0.2;
const keyName = /^(id|key|uuid|guid|row_?id)$|(_|\s|^)id$|Id$|ID$/;

function findKey({ columns, rows }: TableSummary, { key, label }: Wanted) {
  const names = columns.map(({ name }) => name);
  if (key !== undefined) return { key: columnNamed('--key', key, names), why: undefined };
  const found = columns.find(
    ({ name, distinct, missing }) =>
      name !== label && keyName.test(name) && missing === 0 && distinct === rows,
  );
  return { key: found?.name, why: found && 'its name, and no two rows have the same value' };
}

function findTime({ columns }: TableSummary, { time, label, asText }: Wanted) {
  const names = columns.map(({ name }) => name);
  if (time !== undefined) {
    const name = columnNamed('--time', time, names);
    const summary = columns.find((column) => column.name === name);
    if (summary?.isTimestamp) return { time: name, why: undefined };
    const example = summary?.top[0]?.value ?? 'nothing';
    throw new UnusableDataError(
      `--time: '${name}' has values such as '${example.slice(0, 60)}' that are no ISO 8601 date or time, as in 2026-05-31 or 2026-05-31T14:30:00Z; ` +
        `write it so: df['${name}'] = pd.to_datetime(df['${name}']).dt.strftime('%Y-%m-%dT%H:%M:%SZ')`,
    );
  }
  const found = columns.filter(
    ({ name, isTimestamp, missing }) =>
      isTimestamp && missing === 0 && name !== label && !asText?.has(name),
  );
  const [only] = found;
  return found.length === 1 && only
    ? { time: only.name, why: 'the only column of dates or times' }
    : { time: undefined, why: undefined };
}

/** Rows of the last days, about a fifth of all; undefined where time does not tell them apart. */
function lastDays({ earliestMicros, latestMicros, lastFifthMicros }: ColumnSummary) {
  if (earliestMicros === undefined || latestMicros === undefined) return undefined;
  const span = (latestMicros - earliestMicros) / dayMicros;
  const days = Math.max(
    1,
    Math.round((latestMicros - (lastFifthMicros ?? latestMicros)) / dayMicros),
  );
  return span > days ? days : undefined;
}

function inferHoldout(
  table: TableSummary,
  wanted: Wanted,
  { key, time }: { key: string | undefined; time: string | undefined },
): { holdout: Holdout; why: string } {
  if (wanted.holdout) return wanted.holdout;
  const summary = (name: string | undefined) => table.columns.find((each) => each.name === name);
  const timed = summary(time);
  const days = timed && lastDays(timed);
  if (days !== undefined) {
    return { holdout: { by: 'time', days }, why: 'about the latest fifth of the rows' };
  }
  const group = (column: string, why: string) => ({
    holdout: { by: 'group' as const, column, fraction: heldOutShare },
    why,
  });
  const keyed = summary(key);
  if (keyed && key !== undefined) {
    return group(
      key,
      keyed.distinct < table.rows
        ? 'rows of one key stay on one side'
        : 'a fifth of the rows, by a hash of the key',
    );
  }
  const [widest] = table.columns
    .filter(({ name, isTimestamp }) => name !== wanted.label && !isTimestamp)
    .sort((a, b) => b.distinct - a.distinct);
  if (widest) {
    return group(
      widest.name,
      `a fifth of its values; a key would be better (--key), and best is a time (--time)`,
    );
  }
  throw new UnusableDataError(
    `--data: besides the label there is no column; a model needs something to learn from`,
  );
}

const productionMargin =
  "a later version goes live only if the lower end of its gain's interval reaches this; a negative number accepts as much worse";

/** Everything of model.ts that the data alone say. @throws UnusableDataError */
export function inferData(table: TableSummary, wanted: Wanted): InferredData {
  const names = table.columns.map(({ name }) => name);
  const labelName = columnNamed('--label', wanted.label, names);
  const guesses: Guess[] = [];
  const guess = (path: string, why: string | undefined): void => {
    if (why !== undefined) guesses.push({ path, why });
  };
  const found = { ...findKey(table, wanted) };
  const when = { ...findTime(table, wanted) };
  const { key } = found;
  const { time } = when;
  let label: InferredLabel | undefined;
  const columns = table.columns.map((summary): InferredColumn => {
    const column = inferColumn(summary, table.rows, wanted.asText);
    if (summary.name !== labelName) return column;
    label = inferLabel(summary, table.rows);
    const { type } = label;
    const binary = type === 'integer' && label.task === 'binary_classification';
    const { name, why, distinct } = column;
    const rest = { name, type, nullable: false, sensitive: false, distinct, why };
    return binary ? { ...rest, allowed: [0, 1] } : rest;
  });
  // columnNamed has seen that the label is a column.
  const inferred = label as InferredLabel;
  for (const { name, why } of columns) guess(`data.columns.${name}`, why);
  guess('data.entityKey', found.why);
  guess('data.eventTime', when.why);
  const { holdout, why } = inferHoldout(table, wanted, { key, time });
  guess('evaluation.task', inferred.why);
  guess('evaluation.metric', `the usual one of ${inferred.task}`);
  guess('evaluation.holdout', why);
  const binary = inferred.task === 'binary_classification';
  guess(
    'evaluation.mustBeatBaselineBy',
    binary ? 'better than chance by more than noise' : 'no worse than predicting the mean',
  );
  guess('evaluation.mustBeatProductionBy', productionMargin);
  const minimumRows = Math.max(1, Math.min(100, Math.floor(table.rows / 10)));
  guess(
    'data.checks.minimumRows',
    `a file with fewer rows is likely cut off; this one has ${table.rows.toLocaleString('en-US')}`,
  );
  return {
    columns,
    label: inferred,
    key,
    time,
    data: {
      columns: Object.fromEntries(columns.map((column) => [column.name, columnDocument(column)])),
      label: labelName,
      ...(key !== undefined && { entityKey: key }),
      ...(time !== undefined && { eventTime: time }),
      checks: { minimumRows },
    },
    evaluation: {
      task: inferred.task,
      metric: inferred.metric,
      holdout,
      mustBeatBaselineBy: binary ? 0.02 : 0,
      mustBeatProductionBy: 0,
    },
    guesses,
  };
}
