// A model of plain Python, from a drop to an answer of its container, on the laptop cloud as a user starts it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { ListEndpointsCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { type Laptop, startLaptop, until } from './laptop.ts';
import { changeNotes, notesCsv, notesFolder, notesModel } from './parcel-notes.ts';

let folder: string;
let models: string;
let laptop: Laptop;

async function predict(...notes: (string | null)[]) {
  const { token } = await laptop.json('token');
  const reply = await fetch(`${laptop.api}/v1/models/${notesModel}:predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ instances: notes.map((note) => ({ note })) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: what a caller gets is JSON
  return { status: reply.status, body: (await reply.json()) as any };
}

const endpoints = async (): Promise<string[]> => {
  const { Endpoints = [] } = await new SageMakerClient().send(new ListEndpointsCommand());
  return Endpoints.flatMap(({ EndpointName }) => EndpointName ?? []);
};
async function succeeds(...args: string[]): Promise<void> {
  const { code, stderr, stdout } = await laptop.cli(...args);
  expect(code, stdout + stderr).toBe(0);
}
const versionIs = (version: number) =>
  until(async () => {
    const reply = await predict('snow');
    return reply.body.model_version === String(version) ? reply.body : undefined;
  }, 200);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-container-'));
  models = notesFolder();
  laptop = await startLaptop(models);
  // `deploy` reads the models as `local` does.
  process.env['SLIPWAY_MODELS'] = models;
  const file = join(folder, 'notes.csv');
  writeFileSync(file, notesCsv(3_000));
  await succeeds('drop', notesModel, file, '--wait');
});
afterAll(async () => {
  delete process.env['SLIPWAY_MODELS'];
  await laptop?.stop();
  for (const made of [folder, models]) rmSync(made, { recursive: true, force: true });
});

describe('a model that a container answers', () => {
  it('answers what its Python says, missing values and words it never saw included', async () => {
    const { body, status } = await predict('fragile snow', 'letter book', null, 'zeppelin');
    expect(status, JSON.stringify(body)).toBe(200);
    const [bad, good, none, unknown] = body.predictions;
    expect(bad.words).toEqual(['fragile', 'snow']);
    expect(bad.prediction).toBeGreaterThan(0.7);
    expect(good.prediction).toBeLessThan(0.3);
    expect(none.words).toEqual([]);
    expect(unknown.prediction).toBe(none.prediction);
  });

  it('is logged with what it says', async () => {
    const record = await until(async () => {
      const [key] = await laptop.data.keys(`predictions/${notesModel}/`);
      if (key === undefined) return undefined;
      const text = await laptop.data.text(key);
      return PredictionRecord.parse(JSON.parse(text.split('\n')[0] ?? ''));
    }, 500);
    expect(record).toMatchObject({ version: 1, details: { words: ['fragile', 'snow'] } });
  });

  it('is told of by why, with the latency and the price of its container', async () => {
    const { runs } = await laptop.json('status', notesModel);
    const { code, stderr, stdout } = await laptop.cli('why', runs[0].runId);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/and a container of 1024 MB/);
    expect(stdout).toMatch(/model\.tar\.gz has/);
  });

  it('answers 502 where its Python raises; its own lines are in its log', async () => {
    expect(await predict('raise')).toMatchObject({
      status: 502,
      body: { error: expect.stringContaining('gave no prediction') },
    });
    const [name] = await endpoints();
    const logGroupName = `/aws/sagemaker/Endpoints/${name}`;
    await until(async () => {
      const found = await new CloudWatchLogsClient().send(
        new FilterLogEventsCommand({ logGroupName }),
      );
      return found.events?.find(({ message }) => /train\.py:\d+ in predict/.test(message ?? ''));
    }, 200);
  });

  it('has a second version in an endpoint of its own, and is rolled back to the first', async () => {
    changeNotes(models, 500);
    await succeeds('deploy', notesModel);
    await succeeds('train', notesModel, '--wait');
    const second = await versionIs(2);
    expect(await endpoints()).toHaveLength(2);
    await laptop.json('rollback', notesModel, '--to', '1', '--reason', 'too smooth');
    const first = await versionIs(1);
    expect(first.predictions[0].prediction).toBeGreaterThan(second.predictions[0].prediction);
  });

  it('keeps no endpoint of a version that its gate refuses, nor of one that was rolled back from', async () => {
    const before = await endpoints();
    changeNotes(models, 50, 0.5);
    await succeeds('deploy', notesModel);
    const refused = await laptop.cli('train', notesModel, '--wait');
    expect(refused.stdout + refused.stderr).toMatch(/rejected/i);
    const after = await endpoints();
    expect(after).toHaveLength(1);
    expect(before).toEqual(expect.arrayContaining(after));
    // It is that of the version which is live.
    expect((await versionIs(1)).predictions).toHaveLength(1);
  });

  it('has no endpoint while it is retired, and its own again after that', async () => {
    await laptop.json('retire', notesModel, '--reason', 'a test');
    expect(await endpoints()).toEqual([]);
    expect((await predict('snow')).status).toBe(404);
    await laptop.json('approve', notesModel, '1');
    expect((await versionIs(1)).predictions).toHaveLength(1);
    expect(await endpoints()).toHaveLength(1);
  });
});
