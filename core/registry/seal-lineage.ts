import { canonicalJson, hashOf, sha256 } from '../canonical-json.ts';
import { contentHash, type SnapshotManifest, snapshotId } from '../datasets/snapshot.ts';
import type { FeatureSpec } from '../features/feature-spec.ts';
import { type ModelDefinition, modelHash } from '../model/define-model.ts';
import type { Evaluation } from '../training/evaluation.ts';
import { hyperparametersOf, trainingId } from '../training/training-plan.ts';
import { LineageIncompleteError } from './errors.ts';
import type { Lineage, LineageEdge, ModelVersion } from './records.ts';
import { type VersionMetrics, versionMetrics } from './version-metrics.ts';

/** All that is known of a training when it is to be registered; undefined is what could not be found. */
export interface LineageEvidence {
  readonly definition: ModelDefinition;
  readonly trainingId: string;
  readonly snapshotId: string;
  readonly manifestKey: string;
  readonly manifest: SnapshotManifest | undefined;
  readonly specHash: string;
  readonly spec: FeatureSpec | undefined;
  readonly rows: { readonly train: number; readonly holdout: number };
  readonly trainerSha256: string;
  readonly trainingImage: string;
  readonly hyperparameters: Readonly<Record<string, string>>;
  /** Hex SHA-256 of environment.json. */
  readonly environmentSha256: string | undefined;
  readonly evaluation: Evaluation | undefined;
  /** The trainer's own metrics.json. */
  readonly trainerMetrics: Readonly<Record<string, unknown>> | undefined;
}

/** A sealed lineage, and metrics.json as it is hashed in it. */
export interface SealedLineage {
  readonly lineage: Lineage;
  readonly metrics: VersionMetrics;
}

type Answer<Key extends keyof Lineage> = Lineage[Key] | string[];

/**
 * The five answers of lineage, each as a hash or a resolved value.
 * @throws LineageIncompleteError naming every answer that is missing or contradicts another.
 */
export function sealLineage(evidence: LineageEvidence): SealedLineage {
  const { evaluation, trainerMetrics } = evidence;
  const sealed =
    evaluation && trainerMetrics ? versionMetrics(evaluation, trainerMetrics) : undefined;
  const data = dataAnswer(evidence);
  const code = codeAnswer(evidence);
  const hyperparameters = hyperparametersAnswer(evidence);
  const environment = environmentAnswer(evidence);
  const metrics = metricsAnswer(evidence, sealed);
  const answers = [data, code, hyperparameters, environment, metrics];
  const missing = answers.flatMap((answer) => (Array.isArray(answer) ? answer : []));
  if (
    !sealed ||
    Array.isArray(data) ||
    Array.isArray(code) ||
    Array.isArray(hyperparameters) ||
    Array.isArray(environment) ||
    Array.isArray(metrics)
  ) {
    throw new LineageIncompleteError(evidence.definition.name, missing);
  }
  return { lineage: { data, code, hyperparameters, environment, metrics }, metrics: sealed };
}

/** The answer when nothing is wrong with it, otherwise what is. */
const unless = <T>(problems: readonly (string | false)[], answer: () => T): T | string[] => {
  const found = problems.filter((problem) => problem !== false);
  return found.length > 0 ? found : answer();
};

function dataAnswer(evidence: LineageEvidence): Answer<'data'> {
  const { manifest, manifestKey, rows, spec, specHash } = evidence;
  const id = manifest && snapshotId(manifest);
  return unless(
    [
      id === undefined && `data: there is no snapshot manifest at ${manifestKey}`,
      id !== undefined &&
        id !== evidence.snapshotId &&
        `data: the manifest at ${manifestKey} is that of snapshot ${id}, not ${evidence.snapshotId}`,
      !spec && 'data: there is no feature spec',
      spec !== undefined &&
        spec.specHash !== specHash &&
        `data: the feature spec's hash is ${spec.specHash}, not ${specHash}`,
      rows.train < 1 && 'data: no rows to train on',
    ],
    () => ({
      snapshotId: evidence.snapshotId,
      manifestKey,
      featureSpecHash: specHash,
      rows: { ...rows },
    }),
  );
}

function codeAnswer(evidence: LineageEvidence): Answer<'code'> {
  const { definition, trainerSha256, trainingImage } = evidence;
  const code = { modelHash: modelHash(definition), trainerSha256 };
  // Without a manifest the answer about the data says so.
  const id = evidence.manifest
    ? trainingId({ contentHash: contentHash(evidence.manifest), trainingImage, ...code })
    : evidence.trainingId;
  return unless(
    [
      !/^[0-9a-f]{64}$/.test(trainerSha256) && "code: the hash of the trainer's code is not known",
      id !== evidence.trainingId &&
        `code: what is deployed now is training ${id}, and this one was planned as ${evidence.trainingId}; start a new run`,
    ],
    () => code,
  );
}

function hyperparametersAnswer(evidence: LineageEvidence): Answer<'hyperparameters'> {
  const { definition, hyperparameters: values } = evidence;
  // What it was computed on is the environment's to say.
  const { device, ...asked } = values;
  const differs = hashOf(asked) !== hashOf(hyperparametersOf(definition));
  return unless(
    [differs && 'hyperparameters: they are not those of the model definition; start a new run'],
    () => ({ values: { ...values }, sha256: hashOf(values) }),
  );
}

function environmentAnswer(evidence: LineageEvidence): Answer<'environment'> {
  const { environmentSha256, trainingImage } = evidence;
  const nothing = 'environment: the trainer wrote no environment.json';
  if (environmentSha256 === undefined) return [nothing];
  return unless([trainingImage === '' && 'environment: the training image is not known'], () => ({
    trainingImage,
    sha256: environmentSha256,
  }));
}

function metricsAnswer(
  { evaluation, trainerMetrics }: LineageEvidence,
  metrics: VersionMetrics | undefined,
): Answer<'metrics'> {
  if (!metrics) {
    return [
      ...(trainerMetrics ? [] : ['metrics: the trainer wrote no metrics.json']),
      ...(evaluation ? [] : ['metrics: the candidate was not evaluated']),
    ];
  }
  const { primary } = metrics;
  const value = metrics.metrics[primary];
  const baseline = metrics.baseline.metrics[primary];
  if (value === undefined || baseline === undefined) {
    return [`metrics: the evaluation has no ${primary} of the candidate or its baseline`];
  }
  const compared = metrics.production?.outcome === 'compared' ? metrics.production : undefined;
  return {
    sha256: sha256(canonicalJson(metrics)),
    primary,
    value,
    baseline,
    ...(compared && { production: compared.comparison.production }),
  };
}

/** How a version hangs together with what it came from. */
export function edgesOf(version: ModelVersion): LineageEdge[] {
  const self = { type: 'version', id: String(version.version) } as const;
  const run = { type: 'run', id: version.runId } as const;
  const trained = version.origin === 'trained';
  const data = trained ? version.lineage.data : version.imported.evaluatedOn;
  const relation = trained ? 'trained_on' : 'evaluated_on';
  return [
    { from: self, relation: 'version_of', to: { type: 'model', id: version.model } },
    ...(data
      ? [{ from: self, relation, to: { type: 'dataset', id: data.snapshotId } } as const]
      : []),
    { from: self, relation: 'produced_by', to: run },
    { from: run, relation: 'ran_job', to: { type: 'trainingJob', id: version.trainingJobName } },
  ];
}
