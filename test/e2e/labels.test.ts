// What turned out about predictions, from a file to rows that the pipeline trains on; and callers' own programs.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { root } from './command-line.ts';
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

const python = join(root, '.venv', 'client', 'bin', 'python');
const sources = join(root, 'clients', 'python', 'src');
const runPython = (args: readonly string[]) =>
  promisify(execFile)(python, args, { cwd: root, env: { ...process.env, PYTHONPATH: sources } });

/** What the Python client makes of the API, with tokens of the given scopes. */
async function throughClient(what: string, ...scopes: string[]) {
  const { port } = new URL(laptop.endpoint);
  const scope = scopes.length > 0 ? ['--scope', scopes.join(' ')] : [];
  const slipway = [process.execPath, join(root, 'bin', 'slipway.mjs')];
  const token = JSON.stringify([...slipway, 'token', '--cloud', port, ...scope]);
  const program = join(root, 'test', 'e2e', 'call_through_client.py');
  const { stdout } = await runPython(['-W', 'error', program, what, laptop.api, token]);
  return JSON.parse(stdout);
}

it('the Python client says by name that nothing is live, and that a model is not there', async () => {
  expect(await throughClient('asked')).toMatchObject({ error: 'NotLiveError', tokens: 2 });
  expect(await throughClient('of_nobody')).toMatchObject({ error: 'UnknownModelError' });
});

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

it('the Python client predicts a frame and tells what turned out, in requests of a thousand', async () => {
  const { first_id: id, ...told } = await throughClient('answered');
  expect(told).toEqual({
    rows: 1_200,
    same_index: true,
    ids: 1_200,
    versions: [1],
    equal: true,
    accepted: 1_200,
    accepted_by_key: 2,
    ready: true,
    live: 1,
    tokens: 2,
  });
  expect((await laptop.json('lineage', model, id)).version).toBe(1);
});

it('the Python client names what the API refuses: the row of the frame, the right that is missing', async () => {
  expect(await throughClient('refused')).toMatchObject({
    error: 'InvalidRequestError',
    problems: [[1_100, 'distance', 'must be at least 1 (received -1)']],
    completed: 1_000,
  });
  expect(await throughClient('of_labels')).toMatchObject({
    error: 'InvalidRequestError',
    problems: [[0, 'late', expect.stringMatching(/^must be one of 0, 1/)]],
    completed: 0,
  });
  const { error } = await throughClient('asked', `${model}:feedback`);
  expect(error).toBe('AccessDeniedError');
});

it('the calls that predict --example prints run as pasted', async () => {
  const { calls, reply } = await laptop.json('predict', model, '--example');
  const { stdout } = await promisify(execFile)('sh', ['-c', calls.curl], { cwd: root });
  expect(JSON.parse(stdout).predictions).toEqual(reply.predictions);
  const ran = await runPython(['-c', calls.python]);
  expect(ran.stdout).toContain(`Prediction(prediction=${reply.predictions[0]},`);
});
