import * as z from 'zod';
import { hashOf } from '../canonical-json.ts';
import type { LedgerEntry } from '../delivery/ledger-entry.ts';
import { type ModelDefinition, modelHash } from '../model/define-model.ts';
import type { Device } from '../model/training-section.ts';
import type { TrainingRecord } from '../registry/records.ts';

/** What makes a training the same training: its version is found again instead of trained again. */
export const trainingId = (identity: {
  contentHash: string;
  modelHash: string;
  trainerSha256: string;
  trainingImage: string;
}): string => hashOf(identity);

/** What the plan-training step hands to the steps after it. */
export const TrainingPlan = z.strictObject({
  /** collected: the policy waits, and says why. */
  decision: z.enum(['train', 'collected', 'unchanged']),
  reasons: z.array(z.string()),
  /** Whether the data is other than what was collected before. */
  isFresh: z.boolean(),
  trainingId: z.string(),
  trainingJobName: z.string(),
  /** S3 URIs ending in a slash: of one training identity, shared by all attempts at it. */
  outputUri: z.string(),
  checkpointUri: z.string(),
  hyperparameters: z.record(z.string(), z.string()),
});
export type TrainingPlan = z.infer<typeof TrainingPlan>;

/** Where a training's own objects lie in the artifacts bucket until it is registered or rejected. */
export const trainingPrefixes = (model: string, id: string) => ({
  output: `jobs/${model}/${id}/`,
  checkpoints: `checkpoints/${model}/${id}/`,
});

/**
 * SageMaker never forgets a job's name, so each run has its own for the same training; 63 letters,
 * digits and dashes at most.
 */
export const trainingJobName = (model: string, id: string, runId: string): string =>
  `${model}-${id.slice(0, 8)}-${runId.slice(runId.lastIndexOf('-') + 1)}`;

/** What the trainer has to leave behind: Lambda and ECS run the same graph. */
export const formatOf = ({ target }: ModelDefinition['serving']): 'lambda' | 'container' =>
  target === 'container' ? 'container' : 'lambda';

type Trained = Pick<ModelDefinition, 'training' | 'evaluation' | 'serving' | 'data'>;

/** The trainer's own. A model's own Python is given the model's in one, and what it needs to know of the model. */
function trainersOwn({ training, serving, data }: Trained): Record<string, unknown> {
  if (training.trainer === 'python') {
    const user = JSON.stringify(training.hyperparameters);
    return { serving: formatOf(serving), label: data.label, user };
  }
  const { device: _, ...hyperparameters } = training.hyperparameters;
  return hyperparameters;
}

/**
 * SageMaker's hyperparameters are texts. A definition names none of those that the platform sets. The device
 * is not among them: it comes with the image.
 */
export function hyperparametersOf(definition: Trained): Record<string, string> {
  const { training, evaluation } = definition;
  return Object.fromEntries(
    Object.entries({
      ...trainersOwn(definition),
      trainer: training.trainer,
      task: evaluation.task,
      seed: training.seed,
      checkpoint_interval_seconds: training.checkpointIntervalSeconds,
    }).map(([name, value]) => [name, String(value)]),
  );
}

/**
 * A training's hyperparameters as people set them: those of a model's own train.py, which travel as one text,
 * each by its name.
 */
export function toldHyperparameters({
  user,
  ...platforms
}: Readonly<Record<string, string>>): Record<string, string> {
  if (user === undefined) return platforms;
  const own = Object.entries(JSON.parse(user) as Readonly<Record<string, unknown>>);
  const told = own.map(([name, value]) => [
    // The platform has a seed too.
    name in platforms ? `${name} (train.py)` : name,
    String(value),
  ]);
  return { ...platforms, ...Object.fromEntries(told) };
}

/** What every plan says of a training: which it is, and where its objects lie. */
export function placesOf(artifactsBucket: string, model: string, trainingId: string) {
  const { output, checkpoints } = trainingPrefixes(model, trainingId);
  return {
    trainingId,
    outputUri: `s3://${artifactsBucket}/${output}`,
    checkpointUri: `s3://${artifactsBucket}/${checkpoints}`,
  };
}

export interface PlanInput {
  readonly definition: ModelDefinition;
  readonly runId: string;
  readonly contentHash: string;
  readonly trainerSha256: string;
  readonly trainingImage: string;
  /** What the image computes on. */
  readonly trainingDevice: Device;
  readonly artifactsBucket: string;
}

/** The training that a snapshot asks for, before it is known whether it was done already. */
export function planTraining(
  input: PlanInput,
): Omit<TrainingPlan, 'decision' | 'reasons' | 'isFresh'> {
  const { definition, runId, contentHash, trainerSha256, trainingImage, artifactsBucket } = input;
  const { name } = definition;
  const id = trainingId({
    contentHash,
    modelHash: modelHash(definition),
    trainerSha256,
    trainingImage,
  });
  return {
    ...placesOf(artifactsBucket, name, id),
    trainingJobName: trainingJobName(name, id, runId),
    hyperparameters: {
      ...hyperparametersOf(definition),
      // Where it is computed belongs to the environment, as the image does; own Python looks for itself.
      ...(definition.training.trainer === 'xgboost' && { device: input.trainingDevice }),
    },
  };
}

/**
 * Versions whose delivery is decided, or is a person's to decide: those that went live or were set aside,
 * and where a person approves, those that were staged.
 */
export const deliveredVersions = (
  entries: readonly LedgerEntry[],
  approval: ModelDefinition['delivery']['approval'],
): number[] =>
  entries.flatMap(({ state, version }) =>
    state === 'staged' && approval === 'automatic' ? [] : [version],
  );

/**
 * Whether there is anything left to do for a training. A registered version that was not delivered was
 * left behind by a run that broke before that: the way through training takes up its checkpoint and
 * finds the same version again.
 */
export function trainingDecision(
  known: TrainingRecord | undefined,
  delivered: readonly number[],
): 'train' | 'unchanged' {
  if (!known || known.outcome === 'reserved') return 'train';
  if (known.outcome === 'rejected' || known.rejection) return 'unchanged';
  return delivered.some((version) => version >= known.version) ? 'unchanged' : 'train';
}
