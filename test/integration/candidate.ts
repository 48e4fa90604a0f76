import type { S3Objects } from '../../adapters/s3-objects.ts';
import { sha256 } from '../../core/canonical-json.ts';
import { contentHash, snapshotId } from '../../core/datasets/snapshot.ts';
import { defineModel, modelHash } from '../../core/model/define-model.ts';
import type { Evaluation } from '../../core/training/evaluation.ts';
import { hyperparametersOf, trainingId } from '../../core/training/training-plan.ts';
import { anEvaluation } from '../builders/evaluation.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { featureSpec, signature } from '../builders/model-version.ts';
import { referenceProfile } from '../builders/reference-profile.ts';

export const trainerSha256 = sha256('trainer');
export const trainingImage = 'xgboost@sha256:1';

/**
 * Puts what a run has written by the time it registers: snapshot, features, a finished job.
 * @returns the event of the register-version step, and the model's definition.
 */
export async function putCandidate(
  buckets: { readonly data: S3Objects; readonly artifacts: S3Objects },
  { model, seed, runId }: { readonly model: string; readonly seed: number; readonly runId: string },
  evaluation: Evaluation = anEvaluation(),
) {
  const { data, artifacts } = buckets;
  const definition = defineModel(aModelDefinition({ name: model }));
  const manifest = {
    model,
    files: [
      {
        key: `landing/${model}/${seed}.csv`,
        versionId: '1',
        sha256: sha256(`rows ${seed}`),
        bytes: 9,
        rows: 3,
      },
    ],
  };
  const snapshot = snapshotId(manifest);
  const identity = { contentHash: contentHash(manifest), modelHash: modelHash(definition) };
  const id = trainingId({ ...identity, trainerSha256, trainingImage });
  const features = `features/${model}/${snapshot}`;
  const job = `jobs/${model}/${id}/${model}-job/output/model/`;
  const event = {
    runId,
    trainingId: id,
    trainingJobName: `${model}-job`,
    hyperparameters: { ...hyperparametersOf(definition), device: 'cpu' },
    modelArtifacts: `s3://${artifacts.bucket}/${job}`,
    evaluationKey: `${job}evaluation.json`,
    snapshotId: snapshot,
    manifestKey: `snapshots/${model}/${snapshot}/manifest.json`,
    specHash: featureSpec(model).specHash,
    featuresKey: `${features}/features/features.json`,
    signatureKey: `${features}/signature.json`,
    rows: { train: 100, holdout: 20 },
  };
  await data.putJson(event.manifestKey, manifest);
  await data.putJson(event.featuresKey, featureSpec(model));
  await data.putJson(event.signatureKey, signature(model));
  await artifacts.put(`${job}model.onnx`, Buffer.from(`graph ${seed}`));
  await artifacts.putJson(`${job}parity.json`, { seed });
  await artifacts.putJson(
    `${job}profile.json`,
    referenceProfile(() => 0.5, model),
  );
  await artifacts.putJson(`${job}environment.json`, { python: '3.12.1' });
  await artifacts.putJson(`${job}metrics.json`, { train: { logloss: 0.5 }, rounds: 10 });
  await artifacts.putJson(event.evaluationKey, evaluation);
  await artifacts.put(`checkpoints/${model}/${id}/checkpoint-1`, 'state');
  return { definition, event, contentHash: contentHash(manifest) };
}
