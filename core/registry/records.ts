import * as z from 'zod';
import { Sha256 } from '../datasets/snapshot.ts';
import { ModelImport, UnsealedAnswer } from './declared-lineage.ts';

const Instant = z.string().describe('ISO 8601, UTC');

/** Name → hash of an object under artifacts/models/<model>/<version>/. */
export const ArtifactHashes = z.record(
  z.string(),
  z.strictObject({ sha256: Sha256, bytes: z.int() }),
);

/**
 * The five answers of lineage: which data, which code, which hyperparameters, which environment, how
 * good. Each is a hash or a value that was resolved when the version was registered.
 */
export const Lineage = z.strictObject({
  data: z.strictObject({
    snapshotId: Sha256,
    manifestKey: z.string(),
    featureSpecHash: Sha256,
    rows: z.strictObject({ train: z.int(), holdout: z.int() }),
  }),
  code: z.strictObject({ modelHash: Sha256, trainerSha256: Sha256 }),
  hyperparameters: z.strictObject({ values: z.record(z.string(), z.string()), sha256: Sha256 }),
  environment: z.strictObject({ trainingImage: z.string(), sha256: Sha256 }),
  metrics: z.strictObject({
    sha256: Sha256,
    primary: z.string(),
    value: z.number(),
    baseline: z.number(),
    /** Of the version that was live then, on the same rows; absent where there was none to compare with. */
    production: z.number().optional(),
  }),
});
export type Lineage = z.infer<typeof Lineage>;

/**
 * What is known of a version that was made elsewhere. How good it is is sealed where the platform itself
 * evaluated it; all else is what people say, or unknown.
 */
export const DeclaredLineage = z.strictObject({
  data: UnsealedAnswer,
  code: UnsealedAnswer,
  hyperparameters: UnsealedAnswer,
  environment: UnsealedAnswer,
  metrics: z.union([Lineage.shape.metrics, UnsealedAnswer]),
});
export type DeclaredLineage = z.infer<typeof DeclaredLineage>;

/** What the platform saw of an import: the file, and what made it a version. */
export const ImportedFrom = ModelImport.omit({ declared: true }).extend({
  modelHash: Sha256,
  /** Of the code that converted the file, and the hash of environment.json. */
  trainerSha256: Sha256,
  trainingImage: z.string(),
  environmentSha256: Sha256,
  /** The data that it was evaluated on, which says nothing of what it was trained on. */
  evaluatedOn: Lineage.shape.data.optional(),
});
export type ImportedFrom = z.infer<typeof ImportedFrom>;

const version = {
  model: z.string(),
  version: z.int().positive(),
  /** Hash of snapshot, model, code and image, of an import with the file: the same one is the same version. */
  trainingId: Sha256,
  runId: z.string(),
  trainingJobName: z.string(),
  artifactsPrefix: z.string(),
  artifacts: ArtifactHashes,
  /** Of the endpoint whose container answers for it; absent where ONNX Runtime does. */
  endpointName: z.string().optional(),
  /** What the gate said; versions from before it was kept passed. */
  gate: z
    .strictObject({
      outcome: z.enum(['passed', 'rejected']),
      /** Of the verdict, in the data bucket. */
      verdictKey: z.string(),
    })
    .optional(),
  registeredAt: Instant,
};
export const TrainedVersion = z.strictObject({
  ...version,
  origin: z.literal('trained'),
  lineage: Lineage,
});
export type TrainedVersion = z.infer<typeof TrainedVersion>;
export const ImportedVersion = z.strictObject({
  ...version,
  origin: z.literal('imported'),
  lineage: DeclaredLineage,
  imported: ImportedFrom,
});
export type ImportedVersion = z.infer<typeof ImportedVersion>;

export const ModelVersion = z.discriminatedUnion('origin', [TrainedVersion, ImportedVersion]);
export type ModelVersion = z.infer<typeof ModelVersion>;

/** How good a version is on the platform's own holdout; undefined where only people say so. */
export const sealedMetrics = ({ lineage }: ModelVersion): Lineage['metrics'] | undefined =>
  'standing' in lineage.metrics ? undefined : lineage.metrics;

/** A run is one execution of the model's pipeline. */
export const RunOutcome = z.enum([
  'live',
  /** A version is staged and goes live when a person approves it. */
  'awaiting_approval',
  'rejected',
  /** Data was taken in and checked, and is not trained on for now: the reasons say what it waits for. */
  'collected',
  'quarantined',
  'unchanged',
  'no_data',
]);
export type RunOutcome = z.infer<typeof RunOutcome>;
/**
 * What asked for a run: a file that was dropped, a person, a person's retry of a failed step, a person who
 * imports a model, an alarm, or the schedule on which kept wishes are looked at again.
 */
export const RunTrigger = z.strictObject({
  kind: z.enum(['drop', 'person', 'retry', 'import', 'alarm', 'schedule']),
  by: z.string(),
});
export type RunTrigger = z.infer<typeof RunTrigger>;
export const Run = z.strictObject({
  model: z.string(),
  runId: z.string(),
  executionArn: z.string().optional(),
  trigger: RunTrigger,
  status: z.enum(['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED']),
  outcome: RunOutcome.optional(),
  /** Why: the gate's reasons, the quarantine report, the error. */
  reasons: z.array(z.string()).default([]),
  trainingId: Sha256.optional(),
  trainingJobName: z.string().optional(),
  version: z.int().positive().optional(),
  startedAt: Instant,
  finishedAt: Instant.optional(),
});
export type Run = z.infer<typeof Run>;

/** What is known of a training: the same training is never done twice. */
export const TrainingRecord = z.discriminatedUnion('outcome', [
  /** A version number is set aside while the version's objects are being copied. */
  z.strictObject({ outcome: z.literal('reserved'), version: z.int().positive() }),
  z.strictObject({
    outcome: z.literal('registered'),
    version: z.int().positive(),
    /** Why the gate refused the version; without reasons it passed. */
    rejection: z.array(z.string()).min(1).optional(),
  }),
  /** Refused, and not a version, because it could not be measured. */
  z.strictObject({ outcome: z.literal('rejected'), reasons: z.array(z.string()) }),
]);
export type TrainingRecord = z.infer<typeof TrainingRecord>;

/** A snapshot that was taken of a model's landing data. */
export const Dataset = z.strictObject({
  model: z.string(),
  snapshotId: Sha256,
  manifestKey: z.string(),
  files: z.int().nonnegative(),
  takenAt: Instant,
});
export type Dataset = z.infer<typeof Dataset>;

/** What a node of lineage is; ids are unique within a type and a model. */
export const NodeType = z.enum(['model', 'version', 'run', 'dataset', 'trainingJob']);
export const LineageNode = z.strictObject({ type: NodeType, id: z.string() });
export type LineageNode = z.infer<typeof LineageNode>;

/** Stored twice, once under each end, so that lineage is walked both ways with a query. */
export const LineageEdge = z.strictObject({
  from: LineageNode,
  relation: z.enum(['trained_on', 'evaluated_on', 'produced_by', 'version_of', 'ran_job']),
  to: LineageNode,
});
export type LineageEdge = z.infer<typeof LineageEdge>;
