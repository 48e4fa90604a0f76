// What the log keeps of a prediction: as records, or at once as the lines that those would be.
import type { RawValue } from '../../features/raw-values.ts';
import type { Instances } from '../instances.ts';
import type { LoadedVersion, ModelOutput } from '../versions/loaded-version.ts';
import type {
  PredictionPurpose,
  PredictionRecord,
  PredictionVariant,
} from './prediction-record.ts';

/** What a record says beside the row. */
export interface Recorded extends ModelOutput {
  readonly version: LoadedVersion;
  readonly ids: readonly string[];
  readonly requestId: string;
  readonly purpose?: PredictionPurpose | undefined;
  readonly variant?: PredictionVariant | undefined;
  readonly cache?: readonly NonNullable<PredictionRecord['cache']>[] | undefined;
  readonly latencyMs: number;
}

/** The rows that were answered. */
export interface AnsweredInstances {
  readonly instances: Instances;
  readonly features: Float32Array;
  /** Milliseconds since 1970. */
  readonly at: number;
}

interface LoggedColumn {
  readonly name: string;
  /** Its place among the signature's inputs; -1 of what only comes along. */
  readonly place: number;
  /** `"name":`, after a comma where it is not the first. */
  readonly key: string;
}

interface LoggedFeature {
  readonly name: string;
  readonly index: number;
  readonly key: string;
  /** Of which logged column it is a copy, if the numbers are of 32 bits; -1 where it is computed. */
  readonly copyOf: number;
}

/** What the log has of a version's rows: neither sensitive columns, nor the features computed from them. */
interface Layout {
  readonly columns: readonly LoggedColumn[];
  readonly features: readonly LoggedFeature[];
  readonly entityKey: string | undefined;
}

const keyText = (name: string, index: number): string =>
  `${index === 0 ? '' : ','}${JSON.stringify(name)}:`;

function layoutOf({ signature, spec }: LoadedVersion): Layout {
  const all = [...signature.inputs, ...signature.passthrough];
  const sensitive = new Set(all.filter((column) => column.sensitive).map(({ name }) => name));
  const columns = all
    .map(({ name }, index) => ({ name, place: index < signature.inputs.length ? index : -1 }))
    .filter(({ name }) => !sensitive.has(name))
    .map((column, index) => ({ ...column, key: keyText(column.name, index) }));
  const features = spec.features
    .map(({ name, column, transform }, index) => ({ name, column, transform, index }))
    .filter(({ column }) => !sensitive.has(column))
    .map(({ name, column, transform, index }, place) => ({
      ...{ name, index, key: keyText(name, place) },
      copyOf: transform === 'numeric' ? columns.findIndex((logged) => logged.name === column) : -1,
    }));
  const { entityKey } = signature;
  const isShown = entityKey !== undefined && !sensitive.has(entityKey);
  return { columns, features, entityKey: isShown ? entityKey : undefined };
}

const layouts = new WeakMap<LoadedVersion, Layout>();

function layoutFor(version: LoadedVersion): Layout {
  let layout = layouts.get(version);
  if (!layout) {
    layout = layoutOf(version);
    layouts.set(version, layout);
  }
  return layout;
}

/** One record per row. */
export function recordsOf(recorded: Recorded, answered: AnsweredInstances): PredictionRecord[] {
  const { version, predictions, details, cache, ids, requestId, purpose, variant } = recorded;
  const { columns, features, entityKey } = layoutFor(version);
  const width = version.spec.features.length;
  const predictedAt = new Date(answered.at).toISOString();
  const rows = answered.instances.columns;
  const value = (column: string, row: number): RawValue => rows[column]?.[row] ?? null;
  return ids.map((predictionId, row) => ({
    predictionId,
    requestId,
    model: version.model,
    version: version.version,
    ...(variant && { variant }),
    predictedAt,
    entityKey: entityKey === undefined ? null : value(entityKey, row),
    inputs: Object.fromEntries(columns.map(({ name }) => [name, value(name, row)])),
    features: Object.fromEntries(
      features.map(({ name, index }) => {
        const feature = answered.features[row * width + index] ?? Number.NaN;
        return [name, Number.isNaN(feature) ? null : feature];
      }),
    ),
    prediction: predictions[row] ?? Number.NaN,
    ...(details?.[row] && { details: details[row] }),
    ...(cache?.[row] === undefined ? {} : { cache: cache[row] }),
    ...(purpose && { purpose }),
    latencyMs: recorded.latencyMs,
  }));
}

const numberText = (value: number | undefined): string =>
  value === undefined || Number.isNaN(value) ? 'null' : `${value}`;

const valueText = (value: RawValue | undefined): string =>
  typeof value === 'number' ? numberText(value) : JSON.stringify(value ?? null);

/** The texts of a row's logged columns. */
type ColumnTexts = (row: number, texts: string[]) => void;

function columnTexts({ columns }: Layout, instances: Instances, width: number): ColumnTexts {
  const { matrix } = instances;
  const beside = matrix ? instances.beside : instances.columns;
  return (row, texts) => {
    for (let i = 0; i < columns.length; i += 1) {
      const { name, place } = columns[i] as LoggedColumn;
      texts[i] =
        matrix && place !== -1
          ? numberText(matrix[row * width + place])
          : valueText(beside?.[name]?.[row]);
    }
  };
}

function featuresText(
  layout: Layout,
  features: Float32Array,
  { at, copies }: { readonly at: number; readonly copies: readonly string[] | undefined },
): string {
  let text = '';
  for (const { key, index, copyOf } of layout.features) {
    const copy = copyOf === -1 ? undefined : copies?.[copyOf];
    text += key + (copy ?? numberText(features[at + index]));
  }
  return text;
}

function inputsText({ columns }: Layout, texts: readonly string[]): string {
  let text = '';
  for (let i = 0; i < columns.length; i += 1) text += (columns[i] as LoggedColumn).key + texts[i];
  return text;
}

/** What the end of a line says of its row. */
function tailText({ predictions, details, cache, purpose }: Recorded, row: number): string {
  const said = details?.[row];
  const found = cache?.[row];
  return (
    `"prediction":${numberText(predictions[row])}` +
    (said ? `,"details":${JSON.stringify(said)}` : '') +
    (found === undefined ? '' : `,"cache":"${found}"`) +
    (purpose ? `,"purpose":"${purpose}"` : '')
  );
}

/**
 * One line of JSON per row, without its end: what `recordsOf` makes, with the share that is kept. Written
 * as text, because a busy server would else spend more on its log than on its answers.
 */
export function recordLines(
  recorded: Recorded,
  { instances, features, at }: AnsweredInstances,
  sampleRate = 1,
): string[] {
  const { version, ids, requestId, variant, latencyMs } = recorded;
  const layout = layoutFor(version);
  const width = version.spec.features.length;
  const head = `,"requestId":${JSON.stringify(requestId)},"model":"${version.model}","version":${version.version}${variant ? `,"variant":"${variant}"` : ''},"predictedAt":"${new Date(at).toISOString()}","entityKey":`;
  const end = `,"latencyMs":${latencyMs}${sampleRate < 1 ? `,"sampleRate":${sampleRate}` : ''}}`;
  const read = columnTexts(layout, instances, version.signature.inputs.length);
  const entity = layout.columns.findIndex(({ name }) => name === layout.entityKey);
  const texts: string[] = [];
  // A number of 64 bits is not what the feature made of it.
  const copies = instances.matrix instanceof Float32Array ? texts : undefined;
  return ids.map((id, row) => {
    read(row, texts);
    const inputs = inputsText(layout, texts);
    const computed = featuresText(layout, features, { at: row * width, copies });
    return `{"predictionId":${JSON.stringify(id)}${head}${texts[entity] ?? 'null'},"inputs":{${inputs}},"features":{${computed}},${tailText(recorded, row)}${end}`;
  });
}
