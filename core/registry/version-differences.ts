import type { FeatureSpec } from '../features/feature-spec.ts';
import type { ParityCheck } from '../inference/parity/parity-check.ts';
import { toldHyperparameters } from '../training/training-plan.ts';
import type { Verdict } from '../training/verdict.ts';
import type { UnsealedAnswer } from './declared-lineage.ts';
import { type Lineage, type ModelVersion, sealedMetrics } from './records.ts';
import type { VersionMetrics } from './version-metrics.ts';

/** A version with its documents; undefined is a document that is gone or of an older form. */
export interface KnownVersion {
  readonly record: ModelVersion;
  readonly metrics: VersionMetrics | undefined;
  readonly spec: FeatureSpec | undefined;
  readonly verdict: Verdict | undefined;
  /** The newest comparison with a notebook. */
  readonly parity: ParityCheck | undefined;
}

type Shown = string | number | null;

/** One fact of both versions; null where it is not known. */
export interface Difference {
  readonly name: string;
  readonly first: Shown;
  readonly second: Shown;
  readonly equal: boolean;
  /** Second less first, of numbers. */
  readonly by?: number;
}

export interface DifferenceSection {
  readonly title:
    | 'how good'
    | 'notebook'
    | 'data'
    | 'code'
    | 'hyperparameters'
    | 'features'
    | 'serving';
  readonly rows: readonly Difference[];
}

export interface VersionDifferences {
  readonly model: string;
  readonly first: number;
  readonly second: number;
  readonly sections: readonly DifferenceSection[];
  /** What a reader has to know of the numbers. */
  readonly notes: readonly string[];
}

function pair(name: string, first: Shown | undefined, second: Shown | undefined): Difference {
  const [a, b] = [first ?? null, second ?? null];
  const numeric = typeof a === 'number' && typeof b === 'number';
  return { name, first: a, second: b, equal: a === b, ...(numeric && { by: b - a }) };
}

type Pair = readonly [KnownVersion, KnownVersion];
const facts = (name: string, versions: Pair, of: (version: KnownVersion) => Shown | undefined) =>
  pair(name, of(versions[0]), of(versions[1]));

const statement = (answer: UnsealedAnswer): string =>
  answer.standing === 'unknown' ? 'unknown' : `declared: ${answer.statement}`;

const trainedOn = ({ record }: KnownVersion): Lineage['data'] | undefined =>
  record.origin === 'trained' ? record.lineage.data : undefined;
const evaluatedOn = ({ record }: KnownVersion): Lineage['data'] | undefined =>
  record.origin === 'trained' ? record.lineage.data : record.imported.evaluatedOn;

function howGood(versions: Pair): DifferenceSection {
  const names = new Set(versions.flatMap(({ metrics }) => Object.keys(metrics?.metrics ?? {})));
  const metric = (name: string) => (version: KnownVersion) =>
    (version.metrics?.metrics as Readonly<Record<string, number>> | undefined)?.[name];
  return {
    title: 'how good',
    rows: [
      ...[...names].sort().map((name) => facts(name, versions, metric(name))),
      facts('baseline', versions, ({ record }) => sealedMetrics(record)?.baseline),
      facts('holdout rows', versions, ({ metrics }) => metrics?.rows),
      facts('gate', versions, ({ record }) => record.gate?.outcome),
    ],
  };
}

/** How far each is from the notebook it came from. */
function notebook(versions: Pair): DifferenceSection {
  return {
    title: 'notebook',
    rows: [
      facts('parity', versions, ({ parity }) => parity?.verdict ?? 'no check yet'),
      facts('rows compared', versions, ({ parity }) => parity?.rows.compared),
      facts('largest |Δ|', versions, ({ parity }) => parity?.maximumDifference),
      facts('label flips', versions, ({ parity }) => parity?.flips),
    ],
  };
}

function data(versions: Pair): DifferenceSection {
  const snapshot = (version: KnownVersion) =>
    version.record.origin === 'trained'
      ? version.record.lineage.data.snapshotId
      : statement(version.record.lineage.data);
  const label = ({ metrics, record }: KnownVersion) =>
    record.origin === 'trained' ? metrics?.baseline.prediction : undefined;
  return {
    title: 'data',
    rows: [
      facts('snapshot', versions, snapshot),
      facts('rows to train on', versions, (version) => trainedOn(version)?.rows.train),
      facts('rows held out', versions, (version) => evaluatedOn(version)?.rows.holdout),
      facts('mean label', versions, label),
      facts('from', versions, ({ metrics }) => metrics?.timeSpan?.from),
      facts('to', versions, ({ metrics }) => metrics?.timeSpan?.to),
    ],
  };
}

function code(versions: Pair): DifferenceSection {
  const of =
    (known: (lineage: Lineage) => string, imported: (record: ModelVersion) => string | undefined) =>
    ({ record }: KnownVersion) =>
      record.origin === 'trained' ? known(record.lineage) : imported(record);
  const said = (answer: 'code' | 'environment') => (record: ModelVersion) =>
    record.origin === 'imported' ? statement(record.lineage[answer]) : undefined;
  return {
    title: 'code',
    rows: [
      facts('origin', versions, ({ record }) => record.origin),
      facts('model.ts', versions, ({ record }) =>
        record.origin === 'trained' ? record.lineage.code.modelHash : record.imported.modelHash,
      ),
      facts(
        'trainer',
        versions,
        of((lineage) => lineage.code.trainerSha256, said('code')),
      ),
      facts(
        'environment',
        versions,
        of((lineage) => lineage.environment.trainingImage, said('environment')),
      ),
    ],
  };
}

function hyperparameters(versions: Pair): DifferenceSection {
  const valuesOf = ({ record }: KnownVersion): Readonly<Record<string, string>> => {
    if (record.origin === 'imported') return {};
    return toldHyperparameters(record.lineage.hyperparameters.values);
  };
  const [first, second] = [valuesOf(versions[0]), valuesOf(versions[1])];
  const names = [...new Set([...Object.keys(first), ...Object.keys(second)])].sort();
  const declared = versions.some(({ record }) => record.origin === 'imported');
  const answers = facts('all', versions, ({ record }) =>
    record.origin === 'imported' ? statement(record.lineage.hyperparameters) : 'sealed',
  );
  return {
    title: 'hyperparameters',
    rows: [
      ...(declared ? [answers] : []),
      ...names.map((name) => pair(name, first[name], second[name])),
    ],
  };
}

const described = ({ column, kind, transform, vocabulary }: FeatureSpec['features'][number]) =>
  `${transform} of ${column}${kind === 'categorical' ? `, ${vocabulary?.length ?? 0} values` : ''}`;

function features(versions: Pair): DifferenceSection {
  const of = ({ spec }: KnownVersion) =>
    new Map((spec?.features ?? []).map((feature) => [feature.name, described(feature)]));
  const [first, second] = [of(versions[0]), of(versions[1])];
  const names = [...new Set([...first.keys(), ...second.keys()])];
  return {
    title: 'features',
    rows: names.map((name) => pair(name, first.get(name), second.get(name))),
  };
}

function serving(versions: Pair): DifferenceSection {
  const measured = ({ verdict }: KnownVersion) => {
    const found = verdict?.evaluation.measurement;
    return found?.outcome === 'measured' ? found.measurement : undefined;
  };
  const bytes = ({ record }: KnownVersion) =>
    (record.artifacts['model.onnx'] ?? record.artifacts['model.tar.gz'])?.bytes;
  return {
    title: 'serving',
    rows: [
      facts('p50 ms', versions, (version) => measured(version)?.single.p50Ms),
      facts('p95 ms', versions, (version) => measured(version)?.single.p95Ms),
      facts('load ms', versions, (version) => measured(version)?.loadMs),
      facts('model bytes', versions, bytes),
      facts('USD per 1,000', versions, (version) => measured(version)?.costPer1000PredictionsUsd),
    ],
  };
}

/** What the gate found when one of the two was the live version as the other one came. */
function pairedNote(candidate: KnownVersion, live: KnownVersion): string[] {
  const production = candidate.verdict?.evaluation.production;
  if (production?.outcome !== 'compared' || production.version !== live.record.version) return [];
  const { gain, interval, rows } = production.comparison;
  const sure = `${interval.confidence * 100} % interval ${interval.lower.toPrecision(3)} to ${interval.upper.toPrecision(3)}`;
  return [
    `on the same ${rows} rows, version ${candidate.record.version} gained ${gain.toPrecision(3)} over version ${live.record.version} (${sure})`,
  ];
}

function notes([first, second]: Pair): string[] {
  const [a, b] = [evaluatedOn(first), evaluatedOn(second)];
  const sameRows = a !== undefined && a.snapshotId === b?.snapshotId;
  const paired = [...pairedNote(second, first), ...pairedNote(first, second)];
  const unknown = [first, second]
    .filter(({ record }) => !sealedMetrics(record))
    .map(
      ({ record }) =>
        `version ${record.version} was never evaluated here: how good it is is unknown`,
    );
  const others =
    a && b && !sameRows && paired.length === 0
      ? ['the metrics are of different snapshots, so their difference is partly that of the rows']
      : [];
  return [...unknown, ...others, ...paired];
}

/** Everything that is known of two versions of a model, side by side. */
export function versionDifferences(first: KnownVersion, second: KnownVersion): VersionDifferences {
  const versions: Pair = [first, second];
  const sections = [howGood, notebook, data, code, hyperparameters, features, serving];
  return {
    model: first.record.model,
    first: first.record.version,
    second: second.record.version,
    sections: sections.map((section) => section(versions)),
    notes: notes(versions),
  };
}
