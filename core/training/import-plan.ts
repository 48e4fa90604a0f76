import { hashOf } from '../canonical-json.ts';
import { type ModelDefinition, modelHash } from '../model/define-model.ts';
import { importPrefix, type ModelImport } from '../registry/declared-lineage.ts';
import { formatOf, placesOf, type TrainingPlan, trainingJobName } from './training-plan.ts';

/**
 * Why a file cannot become a version of the model; undefined where it can. The codes of a categorical feature
 * are given by the platform's training rows, and a model from elsewhere has learned others.
 */
export function unfitForImport({ features, name }: ModelDefinition): string | undefined {
  const coded = Object.entries(features.declared ?? {})
    .filter(([, { transform }]) => transform === 'categorical')
    .map(([feature]) => feature);
  if (coded.length === 0) return undefined;
  return `models/${name}/model.ts declares ${coded.join(', ')} as categorical: the codes of its values come from the platform's training rows, and a model that was trained elsewhere knows other codes; use features.inModel, so that the model's own pipeline encodes them, or declare numeric features only`;
}

/** Why a request for an import is refused; undefined where nothing is wrong with it. */
export function malformedImport(model: string, { file, key, sha256 }: ModelImport) {
  const expected = `${importPrefix(model, sha256)}${file}`;
  return key === expected ? undefined : `key: must be ${expected} (received ${key})`;
}

export interface ImportInput {
  readonly definition: ModelDefinition;
  readonly runId: string;
  readonly file: Pick<ModelImport, 'sha256'>;
  readonly trainerSha256: string;
  readonly trainingImage: string;
  readonly artifactsBucket: string;
}

/** The job that converts a file: known before the run begins, so that its cost can be set aside. */
export const importJobName = (model: string, file: Pick<ModelImport, 'sha256'>, runId: string) =>
  trainingJobName(model, file.sha256, runId);

/**
 * What an import comes to: the same file, definition and code are the same version. The data it is
 * evaluated on is no part of that, because it grows by itself.
 */
export function planImport(
  input: ImportInput,
): Omit<TrainingPlan, 'decision' | 'reasons' | 'isFresh'> {
  const { artifactsBucket, definition, file, runId, trainerSha256, trainingImage } = input;
  const { data, evaluation, name, serving, training } = definition;
  const id = hashOf({
    importedSha256: file.sha256,
    modelHash: modelHash(definition),
    trainerSha256,
    trainingImage,
  });
  return {
    ...placesOf(artifactsBucket, name, id),
    trainingJobName: importJobName(name, file, runId),
    hyperparameters: {
      trainer: 'import',
      task: evaluation.task,
      seed: String(training.seed),
      checkpoint_interval_seconds: String(training.checkpointIntervalSeconds),
      serving: formatOf(serving),
      label: data.label,
    },
  };
}
