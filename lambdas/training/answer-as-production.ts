import type { DuckdbDatabase } from '../../adapters/duckdb-database.ts';
import { rawRows, rawRowsColumns } from '../../adapters/duckdb-raw-rows.ts';
import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { ObjectNotFoundError } from '../../adapters/object-errors.ts';
import { UnfitGraphError } from '../../adapters/onnx-session.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { inputColumns } from '../../core/features/feature-spec.ts';
import {
  ContainerFaultError,
  ContainerTimeoutError,
} from '../../core/inference/containers/container-errors.ts';
import { modelInput } from '../../core/inference/model-input.ts';
import { CorruptVersionError, loadVersion } from '../../core/inference/versions/load-version.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import type { Slice } from '../../core/model/evaluation-section.ts';
import { InvalidDocumentError } from '../../core/parse-document.ts';
import type { ProductionAnswers } from '../../core/training/evaluation.ts';

export interface ProductionPlace {
  readonly definition: ModelDefinition;
  readonly artifacts: S3Objects;
  readonly registry: DynamodbRegistry;
  readonly ledger: DynamodbLedger;
}

/** The version that is live, or why it cannot be loaded. */
export type LiveVersion =
  | { readonly number: number; readonly loaded: LoadedVersion }
  | { readonly number: number; readonly unusable: string };

/** What is wrong with the version itself: all else is a failure, and the step is done again. */
const isVersions = (error: unknown): error is Error =>
  error instanceof CorruptVersionError ||
  error instanceof ContainerFaultError ||
  error instanceof ContainerTimeoutError ||
  error instanceof UnfitGraphError ||
  error instanceof ObjectNotFoundError ||
  error instanceof InvalidDocumentError ||
  error instanceof SyntaxError;

/** undefined where nothing is live. */
export async function loadLiveVersion(place: ProductionPlace): Promise<LiveVersion | undefined> {
  const { artifacts, definition, ledger, registry } = place;
  const { live: number } = await ledger.head(definition.name);
  if (number === undefined) return undefined;
  const record = (version: number) => registry.getVersion(definition.name, version);
  const source = { record, read: artifacts.get, createSession: createModelSession };
  try {
    return { number, loaded: await loadVersion(source, number) };
  } catch (error) {
    if (!isVersions(error)) throw error;
    return { number, unusable: error.message };
  }
}

/** Why the version cannot answer rows of these columns; undefined where it can. */
function whyNotComparable(
  { signature, spec }: LoadedVersion,
  { data, evaluation }: ModelDefinition,
  columns: readonly string[],
): string | undefined {
  if (signature.task !== evaluation.task) {
    return `its task is ${signature.task}, and model.ts says ${evaluation.task}`;
  }
  const gone = inputColumns(spec).filter((column) => !columns.includes(column));
  const [first] = gone;
  if (first !== undefined) {
    const names = gone.join(', ');
    const why = data.columns[first]
      ? 'which is sensitive and kept only where features read it'
      : 'which model.ts declares no more';
    return `it reads ${names}, ${why}; declare and use it for one more training, or approve the candidate by hand`;
  }
  const read =
    spec.columns ??
    spec.features.map(({ column, columnType }) => ({ name: column, type: columnType }));
  const other = read.find(({ name, type }) => data.columns[name]?.type !== type);
  if (!other) return undefined;
  return `it reads ${other.name} as ${other.type}, and model.ts declares ${data.columns[other.name]?.type}; approve the candidate by hand`;
}

interface HoldoutAnswers {
  readonly production: ProductionAnswers;
  /** Rows of each slice. */
  readonly slices: ReadonlyMap<string, readonly number[]>;
}

function productionOf(
  live: LiveVersion | undefined,
  definition: ModelDefinition,
  columns: readonly string[],
): Exclude<ProductionAnswers, { outcome: 'answered' }> | LoadedVersion {
  if (!live) return { outcome: 'nothing_live' };
  const { number: version } = live;
  if ('unusable' in live) {
    const reason = `it cannot be loaded (${live.unusable}); roll back, or approve the candidate by hand`;
    return { outcome: 'not_comparable', version, reason };
  }
  const reason = whyNotComparable(live.loaded, definition, columns);
  return reason === undefined ? live.loaded : { outcome: 'not_comparable', version, reason };
}

const slicer = (slices: Readonly<Record<string, Slice>>) => {
  const found = Object.entries(slices).map(([name, { column, values }]) => ({
    name,
    column,
    values: new Set<unknown>(values),
    rows: [] as number[],
  }));
  return {
    columns: found.map(({ column }) => column),
    add(columns: Readonly<Record<string, readonly unknown[]>>, first: number): void {
      for (const { column, rows, values } of found) {
        for (const [row, value] of (columns[column] ?? []).entries()) {
          if (values.has(value)) rows.push(first + row);
        }
      }
    },
    rows: () => new Map(found.map(({ name, rows }) => [name, rows])),
  };
};

/**
 * Has the live version answer the holdout's raw rows, each with its own features, and sorts them into the
 * slices. That it cannot answer is a result.
 * @param path of the raw rows, in the database's folder
 */
export async function answerAsProduction(
  database: DuckdbDatabase,
  path: string,
  definition: ModelDefinition,
  live: LiveVersion | undefined,
): Promise<HoldoutAnswers> {
  const production = productionOf(live, definition, await rawRowsColumns(database, path));
  const version = 'session' in production ? production : undefined;
  const slices = slicer(definition.evaluation.slices);
  const read = version ? inputColumns(version.spec) : [];
  const predictions: number[] = [];
  let first = 0;
  for await (const { columns, rows } of rawRows(database, path, [...read, ...slices.columns])) {
    slices.add(columns, first);
    first += rows;
    if (!version) continue;
    const answers = await version.session.run(modelInput(version.spec, { rows, columns }));
    for (const found of answers.predictions) predictions.push(found);
  }
  const answered = { outcome: 'answered', predictions } as const;
  return {
    production: 'session' in production ? { ...answered, version: production.version } : production,
    slices: slices.rows(),
  };
}
