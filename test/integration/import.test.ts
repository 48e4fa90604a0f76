// From a file that somebody brought along to a version, without the job that converts it: its files are put
// where it would have left them.
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbParityChecks } from '../../adapters/dynamodb-parity-checks.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { approveVersion } from '../../cli/commands/approve.ts';
import { compareKnownVersions } from '../../cli/commands/compare.ts';
import { verifyLineage } from '../../cli/lineage.ts';
import { sha256 } from '../../core/canonical-json.ts';
import { predict } from '../../core/inference/protocols/v1.ts';
import { loadVersion } from '../../core/inference/versions/load-version.ts';
import { defineModel } from '../../core/model/define-model.ts';
import {
  importPrefix,
  importRefusal,
  type ModelImport,
} from '../../core/registry/declared-lineage.ts';
import { Evaluation } from '../../core/training/evaluation.ts';
import { planTraining } from '../../core/training/training-plan.ts';
import { Verdict } from '../../core/training/verdict.ts';
import { takeSnapshot } from '../../lambdas/datasets/take-snapshot.ts';
import { buildFeatures } from '../../lambdas/features/build-features.ts';
import { describeFeatures } from '../../lambdas/features/describe-features.ts';
import { measureCandidate } from '../../lambdas/inference/measure-candidate.ts';
import { checkDrift } from '../../lambdas/monitoring/check-drift.ts';
import { registerImport } from '../../lambdas/registry/register-import.ts';
import { registerVersion } from '../../lambdas/registry/register-version.ts';
import { evaluateCandidate } from '../../lambdas/training/evaluate-candidate.ts';
import { evaluateImport } from '../../lambdas/training/evaluate-import.ts';
import { decideImport } from '../../lambdas/training/plan-import.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { type LinearModel, linearModel, linearPrediction } from '../builders/onnx-model.ts';
import { memoryRetrainingStates } from '../fakes/retraining.ts';
import { clientConfig, useCloud } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
let s3: S3Client;
let artifacts: S3Objects;
let table: Awaited<ReturnType<typeof createRegistryTable>>;

const trainerSha256 = sha256('trainer');
const trainingImage = 'python@sha256:1';
const silent = { note: () => undefined };

const bucket = async (name: string): Promise<S3Objects> => {
  await s3.send(new CreateBucketCommand({ Bucket: name }));
  return s3Objects({ bucket: name, client: s3 });
};
beforeAll(async () => {
  s3 = new S3Client(clientConfig(cloud()));
  artifacts = await bucket('import-artifacts');
  table = await createRegistryTable(cloud(), 'import');
});

/** The older leave more often: a graph with a positive weight is right. */
const csv = (count: number): string =>
  [
    'customer,seen_at,plan,age,left',
    ...Array.from({ length: count }, (_, n) => {
      const age = 20 + ((n * 7) % 50);
      const day = new Date(Date.UTC(2026, 0, 1 + Math.floor(n / 10))).toISOString();
      return `c${n},${day},basic,${age},${(n * 37) % 50 < age - 20 ? 1 : 0}`;
    }),
  ].join('\n');

const rightWay: LinearModel = { weights: [0.1], bias: -4 };
const wrongWay: LinearModel = { weights: [-0.1], bias: 4 };

/** The pipeline of a model that imports, without its job. */
async function aPipeline(name: string) {
  const declared = { age: { transform: 'numeric', column: 'age' } } as const;
  const definition = defineModel(aModelDefinition({ name, features: { declared } }));
  const data = await bucket(`import-${name}`);
  const registry = dynamodbRegistry(table);
  const ledger = dynamodbLedger(table);
  const health = dynamodbVersionHealth(table);
  const now = () => new Date().toISOString();
  const place = {
    ...{ definition, data, artifacts, registry, ledger, health, trainerSha256, trainingImage, now },
    model: name,
    createSession: createModelSession,
    memoryMb: definition.serving.memoryMb,
    architecture: 'x64',
  };
  let runs = 0;

  async function begin(): Promise<string> {
    runs += 1;
    const runId = `${name}-20260301T02000${runs}-00000a`;
    const trigger = { kind: 'import', by: 'ada' } as const;
    const run = { model: name, runId, trigger, reasons: [], startedAt: now() };
    await registry.putRun({ ...run, status: 'RUNNING' });
    return runId;
  }

  async function put(text: string): Promise<ModelImport> {
    const hash = sha256(text);
    const key = `${importPrefix(name, hash)}model.onnx`;
    const { bytes } = await artifacts.put(key, text);
    const declaredAnswers = { code: 'git 3f2a91c' };
    return { key, file: 'model.onnx', sha256: hash, bytes, by: 'ada', declared: declaredAnswers };
  }

  /** What the job leaves behind. */
  async function convert(job: string, graph: LinearModel, parityOf = graph): Promise<void> {
    const rows = [[30], [60]];
    await artifacts.put(`${job}model.onnx`, linearModel(graph));
    await artifacts.putJson(`${job}parity.json`, {
      input: { data: rows.flat(), shape: [2, 1] },
      output: { data: rows.map((row) => linearPrediction(parityOf, row)), shape: [2, 1] },
      tolerance: 1e-6,
    });
    await artifacts.putJson(`${job}environment.json`, { python: '3.12' });
    await artifacts.putJson(`${job}metrics.json`, { kind: 'linear', library: 'onnx' });
  }

  const jobOf = (uri: string, name_: string) => {
    const modelArtifacts = `${uri}${name_}/output/model/`;
    return { modelArtifacts, job: modelArtifacts.slice(`s3://${artifacts.bucket}/`.length) };
  };

  async function importFile(text: string, graph: LinearModel, parityOf?: LinearModel) {
    const runId = await begin();
    const file = await put(text);
    const snapshot = await takeSnapshot({ data, registry }, definition);
    const artifactsBucket = artifacts.bucket;
    const input = { definition, runId, file, trainerSha256, trainingImage, artifactsBucket };
    const plan = await decideImport({ registry, ledger }, input);
    if (plan.decision === 'unchanged') return { plan, runId };
    const { trainingId } = plan;
    const isEmpty = snapshot.outcome === 'empty';
    const built = isEmpty
      ? undefined
      : await buildFeatures(data, definition, { runId, ...snapshot });
    const described =
      built ?? (await describeFeatures(data, definition, { runId, importId: trainingId }));
    const { modelArtifacts, job } = jobOf(plan.outputUri, plan.trainingJobName);
    await convert(job, graph, parityOf);
    const event = { ...described, ...plan, ...snapshot, runId, modelArtifacts };
    const measurement = await measureCandidate(place, event);
    const judged = built
      ? await evaluateCandidate(place, { ...event, ...built, measurement })
      : await evaluateImport(place, { ...event, importId: trainingId, measurement });
    const register = () =>
      registerImport(place, {
        runId,
        import: file,
        plan,
        snapshot: isEmpty ? { outcome: 'empty' } : { ...snapshot, outcome: 'taken' },
        features: described,
        train: { TrainingJobName: plan.trainingJobName, ModelArtifacts: modelArtifacts },
        evaluation: judged,
      });
    return { plan, runId, judged, measurement, register };
  }

  /** A version that is trained here. */
  async function train(graph: LinearModel) {
    const runId = await begin();
    const snapshot = await takeSnapshot({ data, registry }, definition);
    const features = await buildFeatures(data, definition, { runId, ...snapshot });
    const { contentHash } = snapshot;
    const plan = planTraining({
      ...{ definition, runId, contentHash, trainerSha256, trainingImage },
      trainingDevice: 'cpu',
      artifactsBucket: artifacts.bucket,
    });
    const { modelArtifacts, job } = jobOf(plan.outputUri, plan.trainingJobName);
    await convert(job, graph);
    const event = { ...snapshot, ...features, ...plan, runId, modelArtifacts };
    const measurement = await measureCandidate(place, event);
    const judged = await evaluateCandidate(place, { ...event, measurement });
    const evaluation = Evaluation.parse(await artifacts.getJson(judged.evaluationKey));
    const version = await registerVersion(place, { ...event, ...judged });
    return { evaluation, version };
  }

  return {
    ...place,
    parity: dynamodbParityChecks(table),
    importFile,
    train,
    drop: (rows: number) => data.put(`landing/${name}/rows.csv`, csv(rows)),
    promote: (version: number) =>
      ledger.append({ model: name, state: 'live', version, reason: 'test', by: 'test', at: now() }),
  };
}

const registered = async (imported: { register?: () => Promise<number> }): Promise<number> => {
  if (!imported.register) throw new Error('there was something to import');
  return imported.register();
};

describe('an imported file without data', () => {
  it('becomes a version that answers, with what nobody said unknown, and once', async () => {
    const pipeline = await aPipeline('alone');
    const { artifacts: stored, data, registry } = pipeline;
    const found = await pipeline.importFile('the file', rightWay);
    expect(found.judged).toMatchObject({ outcome: 'passed', reasons: [] });
    expect(found.measurement?.outcome).toBe('measured');
    expect(await registered(found)).toBe(1);
    expect(await registered(found)).toBe(1);

    const record = await registry.getVersion('alone', 1);
    if (record.origin !== 'imported') throw new Error('it was imported');
    expect(record.lineage).toEqual({
      data: { standing: 'unknown' },
      code: { standing: 'declared', statement: 'git 3f2a91c' },
      hyperparameters: { standing: 'unknown' },
      environment: { standing: 'unknown' },
      metrics: { standing: 'unknown' },
    });
    expect(record.artifacts).not.toHaveProperty('profile.json');
    const verified = await verifyLineage({ data, artifacts: stored }, record, silent);
    expect(verified.map(({ what }) => what)).toContain(record.imported.key);
    expect(verified.filter(({ equal }) => !equal)).toEqual([]);
    const verdict = Verdict.parse(await data.getJson(record.gate?.verdictKey ?? ''));
    expect(verdict.text.join('\n')).toMatch(/holdout +no labelled rows have been dropped/);

    const version = await loadVersion(
      {
        record: (number) => registry.getVersion('alone', number),
        read: stored.get,
        createSession: createModelSession,
      },
      1,
    );
    const body = JSON.stringify({ instances: [{ age: 40 }] });
    const { reply } = await predict(version, { body, requestId: 'r' });
    expect(reply.predictions[0]).toBeCloseTo(linearPrediction(rightWay, [40]), 6);
    await version.session.release();

    await pipeline.promote(1);
    const again = await pipeline.importFile('the file', rightWay);
    expect(again.plan).toMatchObject({ decision: 'unchanged', trainingId: found.plan.trainingId });
    expect((await registry.listVersions('alone')).length).toBe(1);
  });

  it('is rejected where it does not answer as its trainer did', async () => {
    const pipeline = await aPipeline('skewed');
    const found = await pipeline.importFile('a file', rightWay, wrongWay);
    expect(found.judged).toMatchObject({
      outcome: 'rejected',
      measured: true,
      reasons: [expect.stringMatching(/ONNX Runtime gives/)],
    });
    expect(await registered(found)).toBe(1);
    expect((await pipeline.registry.getVersion('skewed', 1)).gate?.outcome).toBe('rejected');
  });

  it('is not judged for drift, and a check sees all the same whether it answers', async () => {
    const pipeline = await aPipeline('unwatched');
    await registered(await pipeline.importFile('a file', rightWay));
    await pipeline.promote(1);
    const place = { ...pipeline, retraining: memoryRetrainingStates() };
    expect(await checkDrift(place, new Date())).toEqual({ outcome: 'no_profile' });
    const health = await pipeline.health.find('unwatched', 1);
    expect(health?.records.at(-1)).toMatchObject({
      answered: false,
      healthy: true,
      reason: expect.stringMatching(/no training rows are known of it/),
    });
  });

  it('is refused by an environment of sealed lineage where somebody approves it', async () => {
    const pipeline = await aPipeline('sealed-only');
    await registered(await pipeline.importFile('a file', rightWay));
    const approve = (policy: 'sealed' | 'any') =>
      approveVersion(pipeline, 'sealed-only', 1, {
        override: true,
        reason: 'now',
        importRefusal: importRefusal('prod', policy),
      });
    await expect(approve('sealed')).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/version 1 .* was imported.*lineage is only declared/),
    });
    expect((await pipeline.ledger.head('sealed-only')).live).toBeUndefined();
    expect(await approve('any')).toMatchObject({ changed: true });
  });
});

describe('an imported file beside data', () => {
  it('is held to the holdout: how good it is is sealed, what it was trained on is not', async () => {
    const pipeline = await aPipeline('held');
    await pipeline.drop(400);
    const worse = await pipeline.importFile('a bad file', wrongWay);
    expect(worse.judged?.reasons).toEqual([expect.stringMatching(/baseline/)]);
    expect(await registered(worse)).toBe(1);

    const better = await pipeline.importFile('a good file', rightWay);
    expect(better.judged?.outcome).toBe('passed');
    expect(await registered(better)).toBe(2);
    const record = await pipeline.registry.getVersion('held', 2);
    if (record.origin !== 'imported') throw new Error('it was imported');
    expect(record.lineage.metrics).toMatchObject({ primary: 'auc', baseline: 0.5 });
    expect(record.lineage.data).toEqual({ standing: 'unknown' });
    expect(record.artifacts).toHaveProperty('profile.json');
    const edges = await pipeline.registry.edges('held', { type: 'version', id: '2' });
    expect(edges.map(({ relation }) => relation).sort()).toEqual([
      'evaluated_on',
      'produced_by',
      'version_of',
    ]);
    const compared = await compareKnownVersions(pipeline, 'held', 1, 2);
    const [good] = compared.sections;
    expect(good?.rows.find(({ name }) => name === 'auc')?.by).toBeGreaterThan(0.2);
  });

  it('is what a version that is trained later has to beat', async () => {
    const pipeline = await aPipeline('beaten');
    await registered(await pipeline.importFile('a bad file', wrongWay));
    await pipeline.promote(1);
    await pipeline.drop(400);
    const { evaluation, version } = await pipeline.train(rightWay);
    expect(version).toBe(2);
    expect(evaluation).toMatchObject({
      outcome: 'passed',
      production: { outcome: 'compared', version: 1 },
      changes: { version: 1, rows: { production: null }, files: { production: null } },
    });
  });
});
