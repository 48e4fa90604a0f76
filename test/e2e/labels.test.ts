// What turned out about predictions, from a file to rows that the pipeline trains on.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { flightsCsv } from './flights.ts';
import { type Laptop, model, startLaptop, until } from './laptop.ts';

let laptop: Laptop;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-labels-'));
  laptop = await startLaptop();
});
afterAll(async () => {
  await laptop.stop();
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Asks about flights as a caller does; answers the predictions' ids. */
async function predicted(flights: readonly string[]): Promise<string[]> {
  const { token } = await laptop.json('token');
  const instances = flights.map((flight_id, i) => ({
    flight_id,
    date: '2001-03-05T06:00:00Z',
    origin: 'JFK',
    destination: 'LAX',
    distance: 500 + i,
  }));
  const reply = await fetch(`${laptop.api}/v1/models/${model}:predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ instances }),
  });
  const text = await reply.text();
  expect(reply.status, text).toBe(200);
  return JSON.parse(text).prediction_ids;
}

it('a file of labels becomes rows of the next snapshot; its wrong rows are told', async () => {
  const dropped = file('flights.csv', flightsCsv({ rows: 3_000, seed: 3 }));
  expect((await laptop.cli('drop', model, dropped, '--wait')).code).toBe(0);
  const ids = await predicted(Array.from({ length: 80 }, (_, i) => `L${i}`));
  const rows = ids.map((id, i) => `${id},${i % 2}`);
  const labels = file('turned-out.csv', ['prediction_id,late', ...rows, `${ids[0]},7`].join('\n'));
  const told = await laptop.cli('labels', model, labels, '--wait', '--json');
  expect(told.code, told.stderr).toBe(1);
  const [first] = JSON.parse(told.stdout).reports;
  expect(first).toMatchObject({ rows: 81, invalid: 1 });
  expect(first.problems[0].message).toMatch(/^late must be one of 0, 1/);

  // The predictions may come to the log after the labels.
  await until(async () => {
    const { reports } = JSON.parse(
      (await laptop.cli('labels', model, labels, '--wait', '--json')).stdout,
    );
    return reports[0].matched === 80 ? true : undefined;
  }, 1_000);
  const keys = await laptop.data.keys(`landing/${model}/labelled/`);
  expect(keys.length).toBeGreaterThan(0);
  await until(async () => {
    for (const key of await laptop.data.keys(`snapshots/${model}/`)) {
      const { files } = await laptop.data.json(key);
      if (files?.some((one: { key: string }) => one.key === keys[0])) return true;
    }
    return undefined;
  }, 1_000);
});
