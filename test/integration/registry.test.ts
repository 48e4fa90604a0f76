import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { type DynamodbRegistry, dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import {
  type DynamodbVersionHealth,
  dynamodbVersionHealth,
} from '../../adapters/dynamodb-version-health.ts';
import { ObjectStoreError } from '../../adapters/object-errors.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { canonicalJson, sha256 } from '../../core/canonical-json.ts';
import { Verdict } from '../../core/training/verdict.ts';
import { registerVersion } from '../../lambdas/registry/register-version.ts';
import { recordVerdict } from '../../lambdas/training/record-verdict.ts';
import { anEvaluation } from '../builders/evaluation.ts';
import { putCandidate, trainerSha256, trainingImage } from './candidate.ts';
import { clientConfig, useCloud } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
let registry: DynamodbRegistry;
let health: DynamodbVersionHealth;
let data: S3Objects;
let artifacts: S3Objects;

beforeAll(async () => {
  const table = await createRegistryTable(cloud(), 'registry');
  registry = dynamodbRegistry(table);
  health = dynamodbVersionHealth(table);
  const client = new S3Client(clientConfig(cloud()));
  const bucket = async (name: string) => {
    await client.send(new CreateBucketCommand({ Bucket: name }));
    return s3Objects({ bucket: name, client });
  };
  data = await bucket('registry-data');
  artifacts = await bucket('registry-artifacts');
});

const now = () => '2026-03-01T12:00:00.000Z';
const startedAt = '2026-03-01T11:00:00.000Z';

async function aRun(model: string, runId = `${model}-20260301T110000-00000a`) {
  const trigger = { kind: 'drop', by: `landing/${model}/a.csv` } as const;
  await registry.putRun({ model, runId, trigger, status: 'RUNNING', reasons: [], startedAt });
  return runId;
}

/** A candidate of a new model, ready to be registered. */
async function aCandidate(model: string, seed = 1, evaluation = anEvaluation()) {
  const runId = await aRun(model, `${model}-20260301T110000-00000${seed}`);
  const { definition, event } = await putCandidate(
    { data, artifacts },
    { model, seed, runId },
    evaluation,
  );
  const place = {
    definition,
    data,
    artifacts,
    registry,
    health,
    trainerSha256,
    trainingImage,
    now,
  };
  return { event, place };
}

const keys = async (prefix: string) => (await artifacts.list(prefix)).map(({ key }) => key);

describe('registering a version', () => {
  it('seals the five answers, copies the artifacts and links everything both ways', async () => {
    const { event, place } = await aCandidate('sealed');
    expect(await registerVersion(place, event)).toBe(1);

    const version = await registry.getVersion('sealed', 1);
    const names = ['environment', 'features', 'metrics', 'parity', 'profile', 'signature'];
    expect(await keys('models/sealed/')).toEqual(
      [...names.map((name) => `${name}.json`), 'model.onnx']
        .map((name) => `models/sealed/1/${name}`)
        .toSorted(),
    );
    for (const [name, { sha256: hash, bytes }] of Object.entries(version.artifacts)) {
      const content = await artifacts.get(`models/sealed/1/${name}`);
      expect([sha256(content), content.length]).toEqual([hash, bytes]);
    }
    const metrics = await artifacts.getJson('models/sealed/1/metrics.json');
    expect(metrics).toMatchObject({ primary: 'auc', training: { rounds: 10 } });
    expect(version.lineage).toEqual({
      data: {
        snapshotId: event.snapshotId,
        manifestKey: event.manifestKey,
        featureSpecHash: event.specHash,
        rows: { train: 100, holdout: 20 },
      },
      code: { modelHash: sha256(canonicalJson(place.definition)), trainerSha256 },
      hyperparameters: {
        values: event.hyperparameters,
        sha256: sha256(canonicalJson(event.hyperparameters)),
      },
      environment: { trainingImage, sha256: sha256('{"python":"3.12.1"}') },
      metrics: {
        primary: 'auc',
        value: 0.7,
        baseline: 0.5,
        sha256: version.artifacts['metrics.json']?.sha256,
      },
    });

    const self = { type: 'version', id: '1' } as const;
    const around = await registry.edges('sealed', self);
    expect(around.map(({ relation, to }) => [relation, to.id])).toEqual([
      ['produced_by', event.runId],
      ['trained_on', event.snapshotId],
      ['version_of', 'sealed'],
    ]);
    for (const { to } of around) {
      const back = await registry.edges('sealed', to);
      expect(back.some(({ from }) => from.type === 'version' && from.id === '1')).toBe(true);
    }
    expect(await registry.listModels()).toContain('sealed');
    expect(await registry.getRun('sealed', event.runId)).toMatchObject({
      version: 1,
      trainingId: event.trainingId,
      status: 'RUNNING',
    });
  });

  it('gives the same training the same version, and another one the next', async () => {
    const first = await aCandidate('again', 1);
    expect(await registerVersion(first.place, first.event)).toBe(1);
    expect(await registerVersion(first.place, first.event)).toBe(1);
    const second = await aCandidate('again', 2);
    expect(await registerVersion(second.place, second.event)).toBe(2);
    const versions = await registry.listVersions('again');
    expect(versions.map(({ version }) => version)).toEqual([2, 1]);
  });

  it('gives one version to a training that is registered twice at the same time', async () => {
    const { event, place } = await aCandidate('twice');
    const both = [registerVersion(place, event), registerVersion(place, event)];
    expect(await Promise.all(both)).toEqual([1, 1]);
    expect(await registry.listVersions('twice')).toHaveLength(1);
  });

  it('leaves one version and no orphan wherever it is killed before it is repeated', async () => {
    for (let calls = 0; ; calls += 1) {
      const model = `killed-${String.fromCharCode(97 + calls)}x`;
      const { event, place } = await aCandidate(model);
      const killed = await registerVersion(dyingAfter(place, calls), event).then(
        () => false,
        () => true,
      );
      expect(await registerVersion(place, event)).toBe(1);
      expect(await registry.listVersions(model)).toHaveLength(1);
      expect(await keys(`models/${model}/`)).toHaveLength(7);
      if (!killed) break;
      expect(calls).toBeLessThan(25);
    }
  });
});

/** The same place, which works for so many calls that write something and then no more. */
function dyingAfter<Place extends { artifacts: S3Objects; registry: DynamodbRegistry }>(
  place: Place,
  calls: number,
): Place {
  let left = calls;
  const mortal =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args) => {
      left -= 1;
      if (left < 0) throw new Error('killed');
      return call(...args);
    };
  const { artifacts: objects, registry: records } = place;
  return {
    ...place,
    artifacts: { ...objects, copy: mortal(objects.copy), putJson: mortal(objects.putJson) },
    registry: {
      ...records,
      reserveVersion: mortal(records.reserveVersion),
      registerVersion: mortal(records.registerVersion),
    },
  };
}

/** The same objects as AWS shows them to a role that may list by prefix: what is missing is refused. */
function refusing(objects: S3Objects): S3Objects {
  const unlessMissing =
    <Result>(read: (key: string) => Promise<Result>) =>
    async (key: string) => {
      if (await objects.find(key)) return read(key);
      throw new ObjectStoreError(`could not read ${key}: AccessDenied 403`);
    };
  return {
    ...objects,
    getJson: unlessMissing(objects.getJson),
    hash: unlessMissing(objects.hash),
  };
}

describe('refusing a version', () => {
  it('names every answer that is missing, and registers nothing', async () => {
    const { event, place } = await aCandidate('gaps');
    await artifacts.remove(event.evaluationKey);
    await artifacts.remove(`${event.evaluationKey.replace('evaluation', 'environment')}`);
    await data.remove(event.manifestKey);
    const asked = { ...place, data: refusing(data), artifacts: refusing(artifacts) };
    const registering = registerVersion({ ...asked, trainerSha256: 'unknown' }, event);
    await expect(registering).rejects.toMatchObject({
      name: 'LineageIncompleteError',
      missing: [
        expect.stringMatching(/^data: there is no snapshot manifest at snapshots/),
        expect.stringMatching(/^code: the hash of the trainer's code/),
        expect.stringMatching(/^environment: /),
        expect.stringMatching(/^metrics: the candidate was not evaluated/),
      ],
    });
    expect(await registry.listVersions('gaps')).toEqual([]);
    expect(await keys('models/gaps/')).toEqual([]);
  });

  it('refuses a manifest that was changed after the snapshot', async () => {
    const { event, place } = await aCandidate('tampered');
    const manifest = (await data.getJson(event.manifestKey)) as { files: object[] };
    await data.putJson(event.manifestKey, { ...manifest, files: [] });
    await expect(registerVersion(place, event)).rejects.toThrow(
      /is that of snapshot [0-9a-f]{64}, not/,
    );
  });
});

describe('a candidate that the gate rejected', () => {
  const rules = [
    { rule: 'parity', outcome: 'passed', text: 'equal' },
    { rule: 'production', outcome: 'failed', text: 'auc 0.5 against 0.6 of version 1' },
  ] as const;
  const rejected = anEvaluation({
    outcome: 'rejected',
    rules: [...rules],
    production: { outcome: 'not_comparable', version: 1, reason: 'made up' },
  });

  it('is a version with its lineage, and says that it was rejected and why', async () => {
    const { event, place } = await aCandidate('refused', 1, rejected);
    expect(await registerVersion(place, event)).toBe(1);
    const { gate } = await registry.getVersion('refused', 1);
    expect(gate).toEqual({
      outcome: 'rejected',
      verdictKey: `reports/refused/gate/${event.runId}.json`,
    });
    expect(await registry.findTraining('refused', event.trainingId)).toEqual({
      outcome: 'registered',
      version: 1,
      rejection: ['auc 0.5 against 0.6 of version 1'],
    });
    const verdict = Verdict.parse(await data.getJson(gate?.verdictKey ?? ''));
    expect(verdict.text[0]).toBe(
      'v1 REJECTED; v1 still live (no health record). No action tonight.',
    );
    expect(verdict.text).toContain('FAIL  production   auc 0.5 against 0.6 of version 1');
  });

  it('has one verdict, however often it is written', async () => {
    const { event, place } = await aCandidate('judged', 1, rejected);
    await registerVersion(place, event);
    const { evaluationKey, runId, trainingId } = event;
    const run = { model: 'judged', runId, trainingId, evaluationKey, version: 1 };
    const later = { ...place, now: () => '2026-04-01T00:00:00.000Z' };
    expect(await recordVerdict(later, run)).toMatchObject({ decidedAt: now() });
    // The job's objects go when the run has ended.
    await artifacts.remove(evaluationKey);
    expect(await recordVerdict(later, run)).toMatchObject({ version: 1, outcome: 'rejected' });
    expect(await recordVerdict(later, { ...run, runId: 'another' })).toBeUndefined();
  });
});

describe('the records', () => {
  it('keeps the first end of a run, and the newest run first', async () => {
    const [older, newer] = [
      await aRun('runs', 'runs-20260301T110000-aaaaaa'),
      await aRun('runs', 'runs-20260302T110000-bbbbbb'),
    ];
    const end = { status: 'SUCCEEDED', outcome: 'live', finishedAt: now(), version: 4 } as const;
    expect(await registry.finishRun('runs', older, end)).toBe(true);
    expect(
      await registry.finishRun('runs', older, {
        status: 'FAILED',
        reasons: ['late'],
        finishedAt: now(),
      }),
    ).toBe(false);
    await aRun('runs', older);
    expect(await registry.getRun('runs', older)).toMatchObject({ ...end, reasons: [] });
    expect((await registry.listRuns('runs')).map(({ runId }) => runId)).toEqual([newer, older]);
    expect(await registry.listRuns('runs', 1)).toHaveLength(1);
    await expect(registry.getRun('runs', 'nobody')).rejects.toMatchObject({
      name: 'RunNotFoundError',
    });
    await expect(registry.finishRun('runs', 'nobody', end)).rejects.toMatchObject({
      name: 'RunNotFoundError',
    });
    await expect(registry.getVersion('runs', 9)).rejects.toThrow(/runs has no version 9/);
  });

  it('remembers a rejection, but never in the place of a version', async () => {
    const { event, place } = await aCandidate('rejections');
    const { trainingId } = event;
    expect(await registry.findTraining('rejections', trainingId)).toBeUndefined();
    await registry.recordRejection('rejections', trainingId, ['worse than the baseline']);
    expect(await registry.findTraining('rejections', trainingId)).toEqual({
      outcome: 'rejected',
      reasons: ['worse than the baseline'],
    });
    await registerVersion(place, event);
    await registry.recordRejection('rejections', trainingId, ['late']);
    expect(await registry.findTraining('rejections', trainingId)).toEqual({
      outcome: 'registered',
      version: 1,
    });
  });

  it('knows the snapshot that was taken last', async () => {
    const taken = (name: string, takenAt: string) => ({
      model: 'sets',
      snapshotId: sha256(name),
      manifestKey: name,
      files: 1,
      takenAt,
    });
    expect(await registry.latestDataset('sets')).toBeUndefined();
    await registry.putDataset(taken('a', '2026-03-01T00:00:00.000Z'));
    await registry.putDataset(taken('b', '2026-03-02T00:00:00.000Z'));
    expect(await registry.latestDataset('sets')).toMatchObject({ manifestKey: 'b' });
    await registry.putDataset(taken('a', '2026-03-03T00:00:00.000Z'));
    expect(await registry.latestDataset('sets')).toMatchObject({ manifestKey: 'a' });
  });
});
