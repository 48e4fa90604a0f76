import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { declaration, importOf } from '../../cli/commands/import.ts';
import { drawTree, lineageTree } from '../../cli/lineage.ts';
import { sha256 } from '../../core/canonical-json.ts';
import { snapshotId } from '../../core/datasets/snapshot.ts';
import { defineModel, modelHash } from '../../core/model/define-model.ts';
import { importRefusal, type ModelImport } from '../../core/registry/declared-lineage.ts';
import { LineageIncompleteError } from '../../core/registry/errors.ts';
import { ImportedVersion } from '../../core/registry/records.ts';
import { type ImportEvidence, sealImport } from '../../core/registry/seal-import.ts';
import { evaluateWithoutHoldout } from '../../core/training/evaluation.ts';
import { malformedImport, planImport, unfitForImport } from '../../core/training/import-plan.ts';
import { retrainingPolicy } from '../../core/training/retraining-policy.ts';
import { takeImport } from '../../lambdas/training/request-import.ts';
import { takeRequest } from '../../lambdas/training/request-run.ts';
import { anEvaluation } from '../builders/evaluation.ts';
import { importedVersion } from '../builders/imported-version.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { RetrainingWorld } from '../fakes/retraining-world.ts';

const declared = { age: { transform: 'numeric', column: 'age' } } as const;
const definition = defineModel(aModelDefinition({ features: { declared } }));
const trainerSha256 = sha256('trainer');
const trainingImage = 'image';
const hash = sha256('pickle');
const file: ModelImport = {
  key: `imports/churn/${hash}/model.pkl`,
  file: 'model.pkl',
  sha256: hash,
  bytes: 6,
  by: 'ada',
  reason: 'it is live elsewhere',
  declared: { data: 'customers of 2025' },
};
const runId = 'churn-20260301T110000-00000a';
const input = { definition, runId, file, trainerSha256, trainingImage, artifactsBucket: 'b' };

describe('the plan of an import', () => {
  it('is the same for the same file, definition and code, whatever run asks', () => {
    const { trainingId } = planImport(input);
    const again = planImport({ ...input, runId: 'churn-20260302T110000-00000b' });
    expect(again.trainingId).toBe(trainingId);
    expect(again.trainingJobName).not.toBe(planImport(input).trainingJobName);
    const evaluation = { ...definition.evaluation, mustBeatBaselineBy: 0.5 };
    const others = [
      { ...input, file: { ...file, sha256: sha256('other') } },
      { ...input, definition: { ...definition, evaluation } },
      { ...input, trainerSha256: sha256('other trainer') },
      { ...input, trainingImage: 'another' },
    ].map((other) => planImport(other).trainingId);
    expect(new Set([trainingId, ...others]).size).toBe(5);
  });

  it('tells the job what it converts for, and nothing of a training', () => {
    expect(planImport(input).hyperparameters).toEqual({
      trainer: 'import',
      task: 'binary_classification',
      seed: '0',
      checkpoint_interval_seconds: '60',
      serving: 'lambda',
      label: 'left',
    });
  });
});

describe('a request for an import', () => {
  const world = () => new RetrainingWorld(retrainingPolicy(definition));
  const rules = { definition, refusal: undefined };

  it('starts a run where data is looked at, and sets aside what its job may cost', async () => {
    const found = world();
    const answer = await takeImport(found.retraining, rules, file);
    expect(answer.outcome).toBe('started');
    const lock = (await found.locks.read('churn'))?.lock;
    expect(lock).toMatchObject({
      runId: answer.runId,
      phase: 'running',
      trigger: { kind: 'import', by: 'ada' },
      input: { from: 'TakeSnapshot', import: file, runId: answer.runId, model: 'churn' },
    });
    const [reserved] = (await found.state()).spend.reserved;
    const job = planImport({ ...input, runId: String(answer.runId) }).trainingJobName;
    expect(reserved).toMatchObject({ runId: answer.runId, trainingJobName: job });
  });

  it('does not wait for another run', async () => {
    const found = world();
    const first = await takeImport(found.retraining, rules, file);
    const second = await takeImport(found.retraining, rules, file);
    expect(second).toEqual({ outcome: 'busy', runId: first.runId, reasons: [] });
    expect((await found.state()).spend.reserved).toHaveLength(1);
  });

  it('that is done again from before its plan sets the money aside anew', async () => {
    const found = world();
    const sofar = { import: file, snapshot: { outcome: 'empty' } };
    const request = { kind: 'retry', by: 'ada', from: 'PlanImport', input: sofar } as const;
    const answer = await takeRequest(found.retraining, 0, request);
    const [reserved] = (await found.state()).spend.reserved;
    const job = planImport({ ...input, runId: String(answer.runId) }).trainingJobName;
    expect(reserved).toMatchObject({ runId: answer.runId, trainingJobName: job });
  });

  it('waits for room in the budget', async () => {
    const policy = { ...retrainingPolicy(definition), monthlyBudgetUsd: 1, worstCaseUsd: 2 };
    const answer = await takeImport(new RetrainingWorld(policy).retraining, rules, file);
    expect(answer).toMatchObject({
      outcome: 'waiting',
      reasons: [expect.stringMatching(/budget/)],
    });
  });

  it.each<[string, object, Partial<ModelImport>]>([
    ['the environment', { refusal: importRefusal('prod', 'sealed') }, {}],
    ['a key that is not that of the file', {}, { key: `imports/other/${hash}/model.pkl` }],
    ['codes that the model cannot know', { definition: defineModel(aModelDefinition()) }, {}],
  ])('is refused because of %s, and leaves nothing behind', async (_, changed, other) => {
    const found = world();
    const answer = await takeImport(
      found.retraining,
      { ...rules, ...changed },
      { ...file, ...other },
    );
    expect(answer).toEqual({ outcome: 'refused', reasons: [expect.any(String)] });
    expect(await found.locks.read('churn')).toBeUndefined();
    expect((await found.state()).spend.reserved).toEqual([]);
  });

  it('says which line lets imports into an environment, and which features stand in the way', () => {
    expect(importRefusal('prod', 'sealed')).toMatch(/'prod'.*lineage: 'any'.*environments\.ts/);
    expect(importRefusal('dev', 'any')).toBeUndefined();
    const refused = unfitForImport(defineModel(aModelDefinition()));
    expect(refused).toMatch(/declares plan as categorical.*features\.inModel/);
    expect(unfitForImport(definition)).toBeUndefined();
    expect(malformedImport('churn', file)).toBeUndefined();
  });
});

describe('a file to import', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'import-'));
  });
  const given = (name: string, content = 'model'): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const asked = { by: 'ada', declare: {} };

  it('is known by its hash, without being opened', async () => {
    const path = given('model.joblib');
    const found = await importOf('churn', path, { ...asked, reason: 'why', trainedBy: 'grace' });
    const hashed = sha256('model');
    expect(found).toEqual({
      key: `imports/churn/${hashed}/model.joblib`,
      file: 'model.joblib',
      sha256: hashed,
      bytes: 5,
      by: 'ada',
      reason: 'why',
      trainedBy: 'grace',
      declared: {},
    });
  });

  it.each<[string, () => string, RegExp]>([
    ['is missing', () => join(folder, 'none.pkl'), /there is no file .*none\.pkl/],
    ['is a folder', () => folder, /is not a file/],
    ['is empty', () => given('empty.onnx', ''), /is empty; save the model again/],
    [
      'is of another kind',
      () => given('weights.h5'),
      /file: .*ends in one of \.onnx.*"weights\.h5"/,
    ],
    ['has an odd name', () => given('my model.pkl'), /rename it \(received "my model\.pkl"\)/],
  ])('that %s is refused with what to do', async (_, path, message) => {
    await expect(importOf('churn', path(), asked)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(message),
    });
  });

  it('comes with what is declared of it, by the words of lineage', () => {
    const said = declaration('data=a = b', declaration('code= git 3f2a91c ', {}));
    expect(said).toEqual({ code: 'git 3f2a91c', data: 'a = b' });
    for (const wrong of ['data', 'data= ', 'price=7', '=x']) {
      expect(() => declaration(wrong, {}), wrong).toThrow(/one of data, code/);
    }
  });
});

const measurement = { outcome: 'not_measured', reason: 'nobody asked' } as const;
const paritySample = {
  input: { data: [1, 2], shape: [2, 1] as [number, number] },
  output: { data: [0.25, 0.5], shape: [2, 1] as [number, number] },
  tolerance: 1e-6,
};
const judge = (parityPredictions: number[], live?: number) =>
  evaluateWithoutHoldout(
    definition.evaluation,
    { paritySample, parityPredictions, measurement },
    live,
  );

describe('an import without a holdout', () => {
  it('passes where it answers as its trainer did, and how good it is stays unknown', () => {
    const found = judge([0.25, 0.5]);
    expect(found).toMatchObject({ outcome: 'passed', metrics: {}, rows: 0 });
    expect(found.baseline).toEqual({ prediction: null, metrics: {} });
    const holdout = found.rules.find(({ rule }) => rule === 'holdout');
    expect(holdout).toMatchObject({
      outcome: 'not_applied',
      text: expect.stringMatching(/unknown/),
    });
    expect(judge([0.25, 0.5], 4).production).toMatchObject({
      outcome: 'not_comparable',
      version: 4,
    });
    expect(judge([0.25, 0.5], 4).outcome).toBe('passed');
  });

  it('is rejected where it answers otherwise, or with what is no probability', () => {
    const failed = (predictions: number[]) =>
      judge(predictions)
        .rules.filter(({ outcome }) => outcome === 'failed')
        .map(({ rule }) => rule);
    expect(failed([0.25, 0.6])).toEqual(['parity']);
    expect(failed([0.25, 1.5])).toEqual(['parity', 'predictions']);
  });
});

const manifest = { model: 'churn', files: [] };
const evidence: ImportEvidence = {
  definition,
  runId,
  trainingId: planImport(input).trainingId,
  file,
  fileSha256: hash,
  trainerSha256,
  trainingImage,
  environmentSha256: sha256('{}'),
  evaluation: judge([0.25, 0.5]),
  trainerMetrics: { kind: 'linear' },
  evaluatedOn: undefined,
};
const evaluatedOn = {
  snapshotId: snapshotId(manifest),
  manifestKey: 'snapshots/churn/x/manifest.json',
  featureSpecHash: sha256('spec'),
  rows: { train: 80, holdout: 20 },
  manifest,
};

describe('the lineage of an import', () => {
  it('keeps what was said as said, and the rest as unknown', () => {
    const { imported, lineage } = sealImport(evidence);
    expect(lineage).toEqual({
      data: { standing: 'declared', statement: 'customers of 2025' },
      code: { standing: 'unknown' },
      hyperparameters: { standing: 'unknown' },
      environment: { standing: 'unknown' },
      metrics: { standing: 'unknown' },
    });
    expect(imported).toMatchObject({ sha256: hash, by: 'ada', modelHash: modelHash(definition) });
    expect(imported).not.toHaveProperty('evaluatedOn');
    const base = importedVersion(1, 'churn');
    expect(ImportedVersion.parse({ ...base, lineage, imported })).toBeDefined();
  });

  it('seals how good it is on rows of the platform, and nothing else', () => {
    const { imported, lineage, metrics } = sealImport({
      ...evidence,
      evaluation: anEvaluation(),
      evaluatedOn,
    });
    expect(lineage.metrics).toMatchObject({ primary: 'auc', value: 0.7, baseline: 0.5 });
    expect(lineage.data).toEqual({ standing: 'declared', statement: 'customers of 2025' });
    expect(imported.evaluatedOn?.snapshotId).toBe(evaluatedOn.snapshotId);
    expect(imported.evaluatedOn).not.toHaveProperty('manifest');
    expect(metrics.training).toEqual({ kind: 'linear' });
  });

  it.each<[string, Partial<ImportEvidence>]>([
    ['file', { fileSha256: undefined }],
    ['file', { fileSha256: sha256('changed') }],
    ['code', { trainerSha256: sha256('deployed meanwhile') }],
    ['environment', { environmentSha256: undefined }],
    ['metrics', { trainerMetrics: undefined }],
    ['metrics', { evaluation: undefined }],
    ['data', { evaluatedOn: { ...evaluatedOn, manifest: undefined } }],
    ['data', { evaluatedOn: { ...evaluatedOn, snapshotId: sha256('another') } }],
  ])('is refused without its %s (%#)', (what, changes) => {
    try {
      sealImport({ ...evidence, ...changes });
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof LineageIncompleteError)) throw error;
      expect(error.missing).toEqual([expect.stringMatching(new RegExp(`^${what}: `))]);
    }
  });

  it('is drawn with what is unknown and what is only declared', () => {
    const lines = drawTree(lineageTree(importedVersion(1), [])).join('\n');
    expect(lines).toMatch(/imported by ada: its lineage is declared, not sealed/);
    expect(lines).toMatch(/which data\n.*declared: customers of 2025/);
    expect(lines).toMatch(/which code\n.*unknown/);
    expect(lines).toMatch(/how good\n.*unknown/);
  });
});
