// A model with streams: rows go in as events and come out once, with the API's numbers, in the rights of its role.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Laptop, startLaptop } from './laptop.ts';
import { modelsFolder, parcels, trainingCsv } from './parcels.ts';
import { refusedCalls, rolesInUse, ungrantedCalls, unusedGrants } from './policy-use.ts';
import { unexplained } from './unused-grants.ts';

const model = 'parcel-stream';
const rows = parcels(40, 'event').map(({ parcel }) => parcel);

let folder: string;
let models: string;
let laptop: Laptop;

const csv = (lines: readonly object[]): string =>
  ['parcel_id,sent_at,weight,depot', ...lines.map((row) => Object.values(row).join(',')), ''].join(
    '\n',
  );
const written = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-event-stream-'));
  models = modelsFolder([model], () => ({ target: 'lambda', streaming: {} }));
  laptop = await startLaptop(models);
  const drop = ['drop', model, written('parcels.csv', trainingCsv(2_000)), '--wait'];
  const { code, stdout, stderr } = await laptop.cli(...drop);
  expect(code, stdout + stderr).toBe(0);
});

afterAll(async () => {
  await laptop?.stop();
  rmSync(folder, { recursive: true, force: true });
  rmSync(models, { recursive: true, force: true });
});

describe('a model with streams', () => {
  it('answers events with the numbers of its API, and those it cannot answer with why', async () => {
    const { token } = await laptop.json('token');
    const reply = await fetch(`${laptop.api}/v1/models/${model}:predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ instances: rows }),
    });
    const { predictions } = (await reply.json()) as { predictions: number[] };
    const [first] = rows;
    const file = written('events.csv', csv([...rows, { ...first, weight: 5_000 }]));
    const out = join(folder, 'results.jsonl');
    const sent = await laptop.cli('stream', model, file, '--run', 'one', '--out', out, '--json');
    expect(sent.code, sent.stderr).toBe(1);
    expect(JSON.parse(sent.stdout)).toMatchObject({
      events: 41,
      predicted: 40,
      refused: 1,
      repeated: 0,
      refusals: [
        { id: 'one-41', data: { error: 'data.weight: must be at most 1000 (received 5000)' } },
      ],
    });
    const results = readFileSync(out, 'utf8').trimEnd().split('\n');
    const answered = results.map((text) => JSON.parse(text).data.prediction);
    expect(answered.slice(0, 40)).toEqual(predictions);
    expect(await laptop.data.keys(`quarantine/${model}/streaming/`)).toHaveLength(1);
  });

  it('answers nothing a second time', async () => {
    const file = written('again.csv', csv(rows));
    const out = join(folder, 'again.jsonl');
    const again = await laptop.json('stream', model, file, '--run', 'one', '--out', out);
    expect(again).toMatchObject({ events: 40, predicted: 40, repeated: 0 });
    // An event of a new run comes after them in the stream: by then they would have been answered.
    await laptop.json('stream', model, written('later.csv', csv(rows.slice(0, 1))), '--run', 'two');
    const still = await laptop.json('stream', model, file, '--run', 'one');
    expect(still.repeated).toBe(0);
    const [before, after] = ['results.jsonl', 'again.jsonl'].map((name) =>
      readFileSync(join(folder, name), 'utf8').split('\n').slice(0, 40),
    );
    expect(after).toEqual(before);
  });

  it('needs the rights that its role has, and no others', async () => {
    const all = await rolesInUse(laptop.endpoint);
    const roles = all.filter(({ role }) => role.includes(' EventStream'));
    expect(roles.map(({ role }) => role)).toEqual([
      'Model-ParcelStream EventStreamPredictEventsRole',
    ]);
    expect(refusedCalls(roles)).toEqual([]);
    expect(ungrantedCalls(roles)).toEqual([]);
    expect(unexplained(unusedGrants(roles))).toEqual([]);
  });
});
