import { describe, expect, it } from 'vitest';
import { canonicalJson, sha256 } from '../../core/canonical-json.ts';
import { contentHash, snapshotId } from '../../core/datasets/snapshot.ts';
import { defineModel, modelHash } from '../../core/model/define-model.ts';
import { LineageIncompleteError } from '../../core/registry/errors.ts';
import { Lineage } from '../../core/registry/records.ts';
import { edgesOf, type LineageEvidence, sealLineage } from '../../core/registry/seal-lineage.ts';
import { hyperparametersOf, planTraining, trainingId } from '../../core/training/training-plan.ts';
import { anEvaluation } from '../builders/evaluation.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { featureSpec, modelVersion } from '../builders/model-version.ts';

const definition = defineModel(aModelDefinition());
const manifest = { model: 'churn', files: [] };
const trainerSha256 = sha256('trainer');
const trainingImage = 'xgboost:1';
const spec = featureSpec('churn');

const evaluation = anEvaluation({ metrics: { auc: 0.7 } });

const evidence: LineageEvidence = {
  definition,
  trainingId: trainingId({
    contentHash: contentHash(manifest),
    modelHash: modelHash(definition),
    trainerSha256,
    trainingImage,
  }),
  snapshotId: snapshotId(manifest),
  manifestKey: 'snapshots/churn/x/manifest.json',
  manifest,
  specHash: spec.specHash,
  spec,
  rows: { train: 80, holdout: 20 },
  trainerSha256,
  trainingImage,
  hyperparameters: { ...hyperparametersOf(definition), device: 'cpu' },
  environmentSha256: sha256('{}'),
  evaluation,
  trainerMetrics: { rounds: 10 },
};

/** What a refusal names, without the words after the answer's name. */
function refusedAnswers(changes: Partial<LineageEvidence>): string[] {
  try {
    sealLineage({ ...evidence, ...changes });
    return [];
  } catch (error) {
    if (!(error instanceof LineageIncompleteError)) throw error;
    return [...new Set(error.missing.map((line) => line.slice(0, line.indexOf(':'))))];
  }
}

describe('the lineage of a version', () => {
  it('answers all five questions as hashes or resolved values', () => {
    const { lineage, metrics } = sealLineage(evidence);
    expect(Lineage.parse(lineage)).toEqual(lineage);
    expect(lineage.metrics).toEqual({
      primary: 'auc',
      value: 0.7,
      baseline: 0.5,
      sha256: sha256(canonicalJson(metrics)),
    });
    expect(metrics.training).toEqual({ rounds: 10 });
  });

  it.each<[string, Partial<LineageEvidence>]>([
    ['data', { manifest: undefined }],
    ['data', { manifest: { ...manifest, model: 'other' } }],
    ['data', { spec: undefined }],
    ['data', { specHash: sha256('another spec') }],
    ['data', { rows: { train: 0, holdout: 20 } }],
    ['code', { trainingId: sha256('another training') }],
    ['code', { trainerSha256: '' }],
    ['hyperparameters', { hyperparameters: {} }],
    ['hyperparameters', { hyperparameters: { ...hyperparametersOf(definition), seed: '8' } }],
    ['environment', { environmentSha256: undefined }],
    ['metrics', { evaluation: undefined }],
    ['metrics', { evaluation: { ...evaluation, metrics: {} } }],
    ['metrics', { evaluation: { ...evaluation, baseline: { prediction: 0.2, metrics: {} } } }],
    ['metrics', { trainerMetrics: undefined }],
  ])('is refused without its %s (%#)', (answer, changes) => {
    expect(refusedAnswers(changes)).toContain(answer);
  });

  it('has the planned hyperparameters with the device they were computed on', () => {
    const { hyperparameters } = planTraining({
      definition,
      runId: 'churn-20260301T110000-00000a',
      contentHash: contentHash(manifest),
      trainerSha256,
      trainingImage,
      trainingDevice: 'cuda',
      artifactsBucket: 'artifacts',
    });
    const { lineage } = sealLineage({ ...evidence, hyperparameters });
    expect(lineage.hyperparameters.values).toEqual(hyperparameters);
    expect(hyperparameters).toMatchObject({ device: 'cuda' });
  });

  it('names all that is missing at once', () => {
    expect(
      refusedAnswers({ manifest: undefined, environmentSha256: undefined, evaluation: undefined }),
    ).toEqual(['data', 'environment', 'metrics']);
  });

  it('leads from the version to its model, data, run and job', () => {
    const { record } = modelVersion(3, { weights: [0, 0], bias: 0 });
    const { lineage, runId, trainingJobName, model } = record;
    expect(edgesOf(record).map(({ from, relation, to }) => [from.type, relation, to.id])).toEqual([
      ['version', 'version_of', model],
      ['version', 'trained_on', lineage.data.snapshotId],
      ['version', 'produced_by', runId],
      ['run', 'ran_job', trainingJobName],
    ]);
  });
});
