import { createHash } from 'node:crypto';
import { GetObjectTaggingCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { withDuckdb } from '../../adapters/duckdb-database.ts';
import { ObjectNotFoundError } from '../../adapters/object-errors.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { type Notifications, snsNotifications } from '../../adapters/sns-notifications.ts';
import { SnapshotManifest } from '../../core/datasets/snapshot.ts';
import { ValidationReport } from '../../core/datasets/validation-report.ts';
import { BuiltFeatures } from '../../core/features/built-features.ts';
import { computeFeatures } from '../../core/features/compute-features.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { Signature } from '../../core/inference/signature.ts';
import {
  defineModel,
  type ModelDefinition,
  type ModelDefinitionInput,
} from '../../core/model/define-model.ts';
import { TrainingProfile } from '../../core/monitoring/profile.ts';
import { quarantineFiles } from '../../lambdas/datasets/quarantine-files.ts';
import { takeSnapshot } from '../../lambdas/datasets/take-snapshot.ts';
import { validateSnapshot } from '../../lambdas/datasets/validate-snapshot.ts';
import { buildFeatures } from '../../lambdas/features/build-features.ts';
import type { Cloud } from '../../local/cloud.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { dataCloud } from './data-cloud.ts';
import { clientConfig, useCloud } from './laptop-cloud/harness.ts';

const cloud = useCloud();

const definition = defineModel(
  aModelDefinition({
    features: {
      declared: {
        plan: { transform: 'categorical', column: 'plan' },
        age: { transform: 'numeric', column: 'age' },
        ageMissing: { transform: 'isMissing', column: 'age' },
        day: { transform: 'dayOfWeek', column: 'seen_at' },
      },
    },
  }),
);
const plans = ['basic', 'plus', 'pro'];

interface Customer {
  readonly customer: string;
  readonly seen_at: string;
  readonly plan: string;
  readonly age: number | null;
  readonly left: number;
}

/** Customers of consecutive days; those of the last week have a plan of their own. */
const customers = (from: number, count: number): Customer[] =>
  Array.from({ length: count }, (_, i) => {
    const n = from + i;
    return {
      customer: `c${n}`,
      seen_at: new Date(Date.UTC(2026, 0, 1 + Math.floor(n / 10), n % 24)).toISOString(),
      plan: n >= 930 ? 'new' : (plans[n % 3] ?? ''),
      age: n % 7 === 0 ? null : 20 + (n % 50) + 0.1,
      left: n % 4 === 0 ? 1 : 0,
    };
  });
const asCsv = (rows: readonly Customer[]): string =>
  [
    'customer,seen_at,plan,age,left',
    ...rows.map((row) => `${row.customer},${row.seen_at},${row.plan},${row.age ?? ''},${row.left}`),
  ].join('\n');
const asLines = (rows: readonly Customer[]): string =>
  rows.map((row) => JSON.stringify(row)).join('\n');

const allRows = customers(0, 1_000);
async function dropAll(data: S3Objects): Promise<void> {
  await data.put('landing/churn/1.csv', asCsv(allRows.slice(0, 500)));
  await data.put('landing/churn/2.jsonl', asLines(allRows.slice(500)));
}

/** Rows of a Parquet object, in its order. */
const parquetRows = (data: S3Objects, key: string): Promise<Record<string, unknown>[]> =>
  withDuckdb(async (database) => {
    const path = `${database.folder}/read.parquet`;
    await data.download(key, undefined, path);
    const names = await database.rows(`DESCRIBE SELECT * FROM read_parquet('${path}')`);
    const rows = await database.rows(`SELECT * FROM read_parquet('${path}')`);
    return rows.map((row) => Object.fromEntries(names.map(([name], i) => [String(name), row[i]])));
  });

const keysOf = async (data: S3Objects, prefix: string): Promise<string[]> =>
  (await data.list(prefix)).map(({ key }) => key);

describe('a snapshot', () => {
  it('pins what is in landing, and is the same for the same content', async () => {
    const { data, registry } = await dataCloud(cloud());
    expect(await takeSnapshot({ data, registry }, definition)).toMatchObject({ outcome: 'empty' });
    await data.put('landing/churn/', '');
    await data.put('landing/other/1.csv', 'not,ours\n');
    await dropAll(data);
    const first = await takeSnapshot({ data, registry }, definition);
    const again = await takeSnapshot({ data, registry }, definition);
    expect(again).toEqual(first);
    expect(first).toMatchObject({ outcome: 'taken', files: 2 });
    const manifest = SnapshotManifest.parse(await data.getJson(first.manifestKey));
    const [csv, lines] = manifest.files;
    expect(csv).toMatchObject({ key: 'landing/churn/1.csv', rows: 500 });
    expect(lines).toMatchObject({ key: 'landing/churn/2.jsonl', rows: 500 });
    const hash = createHash('sha256')
      .update(asCsv(allRows.slice(0, 500)))
      .digest('hex');
    expect(csv?.sha256).toBe(hash);
    expect((await registry.latestDataset('churn'))?.manifestKey).toBe(first.manifestKey);

    await data.put('landing/churn/1.csv', asCsv(allRows.slice(0, 400)));
    const other = await takeSnapshot({ data, registry }, definition);
    expect(other.snapshotId).not.toBe(first.snapshotId);
  });

  it('does without the latest manifest when that is gone', async () => {
    const { data, registry } = await dataCloud(cloud());
    await dropAll(data);
    const first = await takeSnapshot({ data, registry }, definition);
    await data.remove(first.manifestKey);
    expect(await takeSnapshot({ data, registry }, definition)).toEqual(first);
    expect(await data.find(first.manifestKey)).toBeDefined();
  });

  it('reads a file once, however many snapshots it is in', async () => {
    const { data, registry } = await dataCloud(cloud());
    await dropAll(data);
    await takeSnapshot({ data, registry }, definition);
    await data.put('landing/churn/3.csv', asCsv(customers(1_000, 10)));
    const downloaded: string[] = [];
    const watched: S3Objects = {
      ...data,
      download: (key, ...rest) => {
        downloaded.push(key);
        return data.download(key, ...rest);
      },
    };
    expect((await takeSnapshot({ data: watched, registry }, definition)).files).toBe(3);
    expect(downloaded).toEqual(['landing/churn/3.csv']);
  });
});

describe('validation', () => {
  it('lays an unfit holdout at the files it comes from', async () => {
    const { data, registry } = await dataCloud(cloud());
    await data.put('landing/churn/1.csv', asCsv(allRows.slice(0, 500)));
    const late = customers(2_000, 50).map((row) => ({ ...row, left: 0 }));
    await data.put('landing/churn/2.csv', asCsv(late));
    const { manifestKey } = await takeSnapshot({ data, registry }, definition);
    const result = await validateSnapshot(data, definition, manifestKey);
    expect(result).toMatchObject({ outcome: 'invalid', invalidFiles: 1 });
    const report = ValidationReport.parse(await data.getJson(result.reportKey));
    expect(report.files.map(({ findings }) => findings.map(({ rule }) => rule))).toEqual([
      [],
      ['label_classes'],
    ]);
  });

  it('judges the versions of the snapshot, whatever has been dropped since', async () => {
    const { data, registry } = await dataCloud(cloud());
    await dropAll(data);
    const { manifestKey } = await takeSnapshot({ data, registry }, definition);
    await data.put('landing/churn/1.csv', 'broken');
    await data.remove('landing/churn/2.jsonl');
    expect(await validateSnapshot(data, definition, manifestKey)).toMatchObject({
      outcome: 'valid',
      invalidFiles: 0,
    });
  });
});

/** A topic and a queue that gets its messages. */
async function topicAndQueue(on: Cloud) {
  const { forcePathStyle: _, ...config } = clientConfig(on);
  const [sns, sqs] = [new SNSClient(config), new SQSClient(config)];
  const name = `news-${Date.now()}`;
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
  const attributes = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: name }));
  const Endpoint = attributes.Attributes?.['QueueArn'];
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 'sns.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: Endpoint,
  };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint }));
  return {
    notifications: snsNotifications({ newsTopicArn: TopicArn, pagesTopicArn: 'none', client: sns }),
    /** All messages, once none has come for a second. */
    received: async (): Promise<string[]> => {
      const texts: string[] = [];
      for (;;) {
        const reply = await sqs.send(
          new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
        );
        if (!reply.Messages?.length) return texts;
        texts.push(...reply.Messages.map(({ Body }) => JSON.parse(Body ?? '{}').Message));
      }
    },
  };
}

/** Stands for a process that is killed before its n-th call to the world, or after it. */
function killedAt(calls: number, when: 'before' | 'after') {
  let left = calls;
  const wrap = <T extends object>(part: T): T =>
    new Proxy(part, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          left -= 1;
          if (left === 0 && when === 'before') return new Promise(() => undefined);
          const answer = await Reflect.apply(value, target, args);
          if (left <= 0) return new Promise(() => undefined);
          return answer;
        };
      },
    });
  return { wrap, wasReached: () => left <= 0 };
}

const settled = Symbol('settled');
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('quarantine', () => {
  const broken = asCsv(allRows.slice(0, 10)).replace('basic', '');

  /** Two broken files and a good one, validated. */
  async function invalidSnapshot() {
    const { data, registry } = await dataCloud(cloud());
    await data.put('landing/churn/bad.csv', broken);
    await data.put('landing/churn/deep/bad.csv', `${broken}\nmore`);
    await data.put('landing/churn/good.csv', asCsv(allRows));
    const { manifestKey } = await takeSnapshot({ data, registry }, definition);
    const { reportKey, invalidFiles } = await validateSnapshot(data, definition, manifestKey);
    expect(invalidFiles).toBe(2);
    return { data, registry, event: { runId: 'run-1', reportKey } };
  }

  /** The same without reading any file, for what is repeated often. */
  async function reportedSnapshot() {
    const { data } = await dataCloud(cloud());
    await data.put('landing/churn/bad.csv', broken);
    await data.put('landing/churn/deep/bad.csv', `${broken}\nmore`);
    const finding = { rule: 'type', column: 'age', count: 1, message: 'mend it', examples: [] };
    const files = [];
    for (const { key, versionId } of await data.listVersions('landing/')) {
      const { sha256, bytes } = await data.hash(key);
      files.push({ key, versionId, sha256, bytes, rows: 10, findings: [finding] });
    }
    await data.put('landing/churn/good.csv', asCsv(allRows));
    const reportKey = 'reports/churn/validation/some.json';
    const snapshotId = 'c'.repeat(64);
    const report = { model: 'churn', snapshotId, manifestKey: 'm', outcome: 'invalid', files };
    await data.putJson(reportKey, report);
    return { data, event: { runId: 'run-1', reportKey } };
  }

  it('moves the invalid files out of landing, keeps both of one name, and tells people once', async () => {
    const { data, event } = await invalidSnapshot();
    const { notifications, received } = await topicAndQueue(cloud());
    const result = await quarantineFiles({ data, notifications }, event);
    expect(result).toEqual({ quarantined: 2, reportKey: event.reportKey });
    expect(await quarantineFiles({ data, notifications }, event)).toEqual(result);
    expect(await keysOf(data, 'landing/')).toEqual(['landing/churn/good.csv']);
    const moved = await keysOf(data, 'quarantine/churn/');
    expect(moved).toHaveLength(2);
    const contents = await Promise.all(moved.map(async (key) => (await data.get(key)).toString()));
    expect(contents.sort()).toEqual([broken, `${broken}\nmore`].sort());
    const messages = await received();
    expect(messages).toHaveLength(1);
    for (const part of ['bad.csv', 'rule not_null', event.reportKey, 'What next']) {
      expect(messages[0]).toContain(part);
    }
  });

  it('leaves a file that was dropped again in the meantime where it is', async () => {
    const { data, event } = await invalidSnapshot();
    const { notifications } = await topicAndQueue(cloud());
    await data.put('landing/churn/bad.csv', 'mended');
    await quarantineFiles({ data, notifications }, event);
    expect((await data.get('landing/churn/bad.csv')).toString()).toBe('mended');
    expect(await keysOf(data, 'quarantine/churn/')).toHaveLength(2);
  });

  it('ends in the same state, with at most one message, wherever it is killed and repeated', async () => {
    for (const when of ['before', 'after'] as const) {
      for (let calls = 1; ; calls += 1) {
        const { data, event } = await reportedSnapshot();
        const texts: string[] = [];
        const notifications: Notifications = {
          publish: async ({ text }) => void texts.push(text),
        };
        const { wrap, wasReached } = killedAt(calls, when);
        const attempt = quarantineFiles(
          { data: wrap(data), notifications: wrap(notifications) },
          event,
        ).then(() => settled);
        while (!wasReached() && (await Promise.race([attempt, pause(5)])) !== settled);
        await pause(20);
        await quarantineFiles({ data, notifications }, event);
        expect(await keysOf(data, 'landing/')).toEqual(['landing/churn/good.csv']);
        expect(await keysOf(data, 'quarantine/')).toHaveLength(2);
        expect(texts.length).toBeLessThanOrEqual(1);
        if (!wasReached()) {
          expect(calls).toBeGreaterThan(8);
          break;
        }
      }
    }
  });

  it('tells people again when SNS refused the first time', async () => {
    const { data, event } = await reportedSnapshot();
    let refusals = 1;
    const texts: string[] = [];
    const publish: Notifications['publish'] = async ({ text }) => {
      refusals -= 1;
      if (refusals >= 0) throw new Error('throttled');
      texts.push(text);
    };
    const deps = { data, notifications: { publish } };
    await expect(quarantineFiles(deps, event)).rejects.toThrow('throttled');
    await quarantineFiles(deps, event);
    expect(texts).toHaveLength(1);
    expect(await keysOf(data, 'landing/')).toEqual(['landing/churn/good.csv']);
  });
});

describe('the features of a snapshot', () => {
  async function built(drop: (data: S3Objects) => Promise<void> = dropAll) {
    const { data, registry } = await dataCloud(cloud());
    await drop(data);
    const { snapshotId, manifestKey } = await takeSnapshot({ data, registry }, definition);
    expect(await validateSnapshot(data, definition, manifestKey)).toMatchObject({
      outcome: 'valid',
    });
    const event = { runId: 'run-1', snapshotId, manifestKey };
    return { data, event, result: await buildFeatures(data, definition, event) };
  }

  it('are every row once, on one side, with the bits that a request with that row gets', async () => {
    const { data, result } = await built();
    const spec = FeatureSpec.parse(await data.getJson(result.featuresKey));
    const holdout = await parquetRows(data, result.holdoutKey);
    const train = await parquetRows(
      data,
      `${result.trainUri.slice(`s3://${data.bucket}/`.length)}part-0.parquet`,
    );
    expect(result.rows).toEqual({ train: train.length, holdout: holdout.length });

    const numbers = [...train, ...holdout].map((row) => Number(row['__row']));
    expect([...numbers].sort((a, b) => a - b)).toEqual(allRows.map((_, i) => i));
    for (const side of [train, holdout]) {
      const order = side.map((row) => Number(row['__row']));
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }
    const newest = Math.max(...allRows.map((row) => Date.parse(row.seen_at)));
    const held = new Set(holdout.map((row) => Number(row['__row'])));
    for (const [i, row] of allRows.entries()) {
      expect(held.has(i)).toBe(Date.parse(row.seen_at) > newest - 7 * 86_400_000);
    }

    for (const row of [...train, ...holdout]) {
      const raw = allRows[Number(row['__row'])];
      if (!raw) throw new Error('a row that was not dropped');
      const request = JSON.parse(JSON.stringify(raw));
      const columns = Object.fromEntries(
        Object.entries(request).map(([name, value]) => [name, [value as string]]),
      );
      const served = computeFeatures(spec, { rows: 1, columns });
      const stored = spec.features.map(({ name }) => row[name]);
      expect(stored).toEqual([...served].map((value) => (Number.isNaN(value) ? null : value)));
      expect(row['__label']).toBe(raw.left);
    }
  });

  it('learn their vocabulary from the training rows alone', async () => {
    const { data, result } = await built();
    const spec = FeatureSpec.parse(await data.getJson(result.featuresKey));
    expect(spec.features[0]?.vocabulary).toEqual(['basic', 'plus', 'pro']);
    const holdout = await parquetRows(data, result.holdoutKey);
    for (const row of holdout) {
      expect(row['plan'] === null).toBe(allRows[Number(row['__row'])]?.plan === 'new');
    }
    expect(holdout.filter((row) => row['plan'] === null)).toHaveLength(70);
    expect(spec.specHash).toBe(result.specHash);
    const signature = Signature.parse(await data.getJson(result.signatureKey));
    expect(signature.inputs.map(({ name }) => name)).toEqual(['seen_at', 'plan', 'age']);
  });

  it('come with the raw rows of the holdout, in the same order, and with requests made of them', async () => {
    const { data, result } = await built();
    const order = (await parquetRows(data, result.holdoutKey)).map((row) => Number(row['__row']));
    const raw = await parquetRows(data, result.holdoutRowsKey);
    expect(raw).toEqual(
      order.map((row) => {
        const { left: _, ...sent } = allRows[row] ?? { left: 0 };
        const { seen_at } = sent as Customer;
        return { ...sent, seen_at: Date.parse(seen_at) * 1_000 };
      }),
    );
    const { instances } = (await data.getJson(result.instancesKey)) as { instances: object[] };
    expect(instances).toEqual(
      order.map((row) => {
        const { age, plan, seen_at } = allRows[row] as Customer;
        return { age, plan, seen_at };
      }),
    );
    const found = BuiltFeatures.parse(await data.getJson(result.builtKey));
    const times = allRows.map(({ seen_at }) => seen_at).sort();
    expect(found.timeSpan).toEqual({ from: times[0], to: times.at(-1) });
  });

  it('keep a sensitive column of the holdout only where a feature reads it', async () => {
    const sensitive = (features: ModelDefinitionInput['features']) =>
      defineModel(
        aModelDefinition({
          features,
          data: {
            ...aModelDefinition().data,
            columns: {
              ...aModelDefinition().data.columns,
              age: { type: 'number', nullable: true, sensitive: true },
            },
          },
        }),
      );
    const declared = aModelDefinition().features.declared ?? {};
    const columnsOf = async (asked: ModelDefinition) => {
      const { data, event } = await built();
      const { holdoutRowsKey } = await buildFeatures(data, asked, event);
      return Object.keys((await parquetRows(data, holdoutRowsKey))[0] ?? {});
    };
    const { plan } = declared;
    if (!plan) throw new Error('the plan is a feature');
    expect(await columnsOf(sensitive({ declared: { plan } }))).toEqual([
      'customer',
      'seen_at',
      'plan',
    ]);
    expect(await columnsOf(sensitive({ declared }))).toContain('age');
  });

  it('are profiled: every training row in the cell of its value', async () => {
    const { data, result } = await built();
    const profile = TrainingProfile.parse(await data.getJson(result.profileKey));
    const newest = Math.max(...allRows.map((row) => Date.parse(row.seen_at)));
    const train = allRows.filter((row) => Date.parse(row.seen_at) <= newest - 7 * 86_400_000);
    expect(profile).toMatchObject({ model: 'churn', rows: train.length });
    expect(profile.features.map(({ name }) => name)).toEqual(['plan', 'age', 'ageMissing', 'day']);
    const [plan, age, ageMissing] = profile.features.map(({ distribution }) => distribution);
    expect(plan?.reference).toEqual({
      counts: [...plans.map((name) => train.filter((row) => row.plan === name).length), 0, 0],
      missing: 0,
    });
    const without = train.filter((row) => row.age === null).length;
    expect(age?.reference.missing).toBe(without);
    expect(Math.max(...(ageMissing?.reference.counts ?? []))).toBe(train.length - without);
    const cells = age?.cells.kind === 'numeric' ? age.cells : undefined;
    const ages = train.flatMap((row) => row.age ?? []).map(Math.fround);
    expect(cells?.range).toEqual([Math.min(...ages), Math.max(...ages)]);
    // Fifty different ages, each of them an atom.
    expect(cells?.edges.filter((_, i) => cells.atoms[i])).toEqual(
      [...new Set(ages)].sort((a, b) => a - b),
    );
    expect(age?.reference.counts.filter((count) => count > 0)).toHaveLength(50);
    const left = train.filter((row) => row.left === 1).length;
    expect(profile.label.reference.counts).toEqual([train.length - left, left, 0, 0]);
  });

  it('are the same objects when they are built again, and mended when one is gone', async () => {
    const { data, event, result } = await built();
    const objects = async () =>
      Object.fromEntries(
        (await data.listVersions('features/')).map(({ key, etag, versionId }) => [
          key,
          { etag, versionId },
        ]),
      );
    const before = await objects();
    expect(await buildFeatures(data, definition, event)).toEqual(result);
    expect(await objects()).toEqual(before);
    await data.remove(result.holdoutKey);
    expect(await buildFeatures(data, definition, event)).toEqual(result);
    const etags = (found: Awaited<ReturnType<typeof objects>>) =>
      Object.fromEntries(Object.entries(found).map(([key, { etag }]) => [key, etag]));
    expect(etags(await objects())).toEqual(etags(before));
  });

  it('are refused when a file is not what the snapshot says', async () => {
    const { data, event } = await built();
    const manifest = SnapshotManifest.parse(await data.getJson(event.manifestKey));
    const [first] = manifest.files;
    if (!first) throw new Error('the snapshot has files');
    const lying = { ...manifest, files: [{ ...first, sha256: '0'.repeat(64) }] };
    await data.putJson('snapshots/churn/lying/manifest.json', lying);
    const other = {
      ...event,
      snapshotId: 'b'.repeat(64),
      manifestKey: 'snapshots/churn/lying/manifest.json',
    };
    await expect(buildFeatures(data, definition, other)).rejects.toMatchObject({
      name: 'SnapshotChangedError',
    });
    expect(await keysOf(data, `features/churn/${'b'.repeat(64)}/`)).toEqual([]);
  });
});

describe('the objects of a bucket', () => {
  it('say which object is missing', async () => {
    const { data } = await dataCloud(cloud());
    await expect(data.get('no/such.json')).rejects.toBeInstanceOf(ObjectNotFoundError);
    await expect(data.getJson('no/such.json')).rejects.toThrow('no/such.json');
    await expect(data.hash('no/such.json')).rejects.toBeInstanceOf(ObjectNotFoundError);
    await expect(data.copy({ key: 'no/such.json' }, 'a')).rejects.toBeInstanceOf(
      ObjectNotFoundError,
    );
    expect(await data.find('no/such.json')).toBeUndefined();
    await data.put('no/such.json.bak', 'x');
    expect(await data.find('no/such.json')).toBeUndefined();
    await data.put('no/such.json', '{}');
    await data.put('no/such.json', '{"a":1}');
    expect(await data.find('no/such.json')).toMatchObject({ key: 'no/such.json', bytes: 7 });
    await data.remove('no/such.json');
    expect(await data.find('no/such.json')).toBeUndefined();
    expect((await data.listVersions('no/')).map(({ key }) => key)).toEqual(['no/such.json.bak']);
  });

  it('are told apart from a bucket that does not answer', async () => {
    const { data } = await dataCloud(cloud());
    await data.put('text', '{');
    await expect(data.getJson('text')).rejects.toMatchObject({ name: 'ObjectNotJsonError' });
    const none = s3Objects({ bucket: 'no-such-bucket', client: data.client });
    await expect(none.list('')).rejects.toMatchObject({ name: 'ObjectStoreError' });
  });

  it('keep names with spaces, signs and other alphabets through copies and deletions', async () => {
    const { data } = await dataCloud(cloud());
    const names = ['a b.csv', 'a+b&c=d.csv', 'naïve ñ 数据.csv', '100%.csv', "it's (1).csv"];
    for (const name of names) {
      await data.put(`from/${name}`, name);
      const [version] = await data.listVersions(`from/${name}`);
      await data.copy({ key: `from/${name}`, versionId: version?.versionId }, `to/${name}`);
      expect((await data.get(`to/${name}`)).toString()).toBe(name);
    }
    expect(await keysOf(data, 'to/')).toHaveLength(names.length);
    expect(await data.removePrefix('to/')).toBe(names.length);
    expect(await keysOf(data, '')).toHaveLength(names.length);
    await expect(data.removePrefix('from')).rejects.toThrow('must end in a slash');
  });

  it('are copied without their tags, which a role has no right to', async () => {
    const { data } = await dataCloud(cloud());
    const { bucket: Bucket, client } = data;
    await client.send(
      new PutObjectCommand({ Bucket, Key: 'from', Body: 'text', Tagging: 'team=sales' }),
    );
    await data.copy({ key: 'from' }, 'to');
    const tags = async (Key: string) =>
      (await client.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet;
    expect(await tags('from')).toEqual([{ Key: 'team', Value: 'sales' }]);
    expect(await tags('to')).toEqual([]);
    expect((await data.get('to')).toString()).toBe('text');
  });

  it('are listed beyond the first thousand', async () => {
    const { data } = await dataCloud(cloud());
    const keys = Array.from({ length: 1_050 }, (_, i) => `many/${String(i).padStart(5, '0')}`);
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => data.put(key, key)));
    }
    await data.put('many/00000', 'again');
    expect(await keysOf(data, 'many/')).toEqual(keys);
    expect((await data.listVersions('many/')).map(({ key }) => key)).toEqual(keys);
    expect(await data.removePrefix('many/')).toBe(1_050);
  });
});
