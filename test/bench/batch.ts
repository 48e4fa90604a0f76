// npm run bench:batch [-- --rows 3000000 --rounds 3]: whole files through the real scoring code, beside Python.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { hashFile } from '../../adapters/s3-objects.ts';
import { columns } from '../../cli/terminal.ts';

const root = join(import.meta.dirname, '..', '..');
const python = join(root, '.venv', 'xgboost', 'bin', 'python');
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '3000000' },
    rounds: { type: 'string', default: '3' },
  },
});
const [rows, rounds] = [Number(values.rows), Number(values.rounds)];
const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-batch-'));
const run = promisify(execFile);

interface Took {
  readonly rows: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const script = (name: string) => join(import.meta.dirname, name);
const asPython = async (...more: readonly 'ids'[]): Promise<Took> =>
  JSON.parse((await run(python, [script('batch.py'), 'score', folder, ...more])).stdout);
const scoring = (results: string) => [script('batch-scoring.ts'), folder, String(rows), results];
const asSlipway = async (results: string): Promise<Took> =>
  JSON.parse((await run(process.execPath, scoring(results), { cwd: folder })).stdout);

const partsIn = (results: string): string[] =>
  readdirSync(results)
    .filter((name) => name.startsWith('part-'))
    .sort();

/** Kills the process when half of the parts are there; whoever starts it again finds them. */
async function killedInTheMiddle(results: string): Promise<number> {
  const child = spawn(process.execPath, scoring(results), { cwd: folder, stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const half = Math.ceil(rows / 100_000 / 2);
  const done = () => {
    try {
      return partsIn(results).length;
    } catch {
      return 0;
    }
  };
  while (done() < half && child.exitCode === null) await sleep(10);
  child.kill('SIGKILL');
  await exited;
  return done();
}

/** Rows that have another prediction than Python's, bit by bit. */
async function differences(results: string): Promise<number> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const ours = `read_parquet('${join(results, 'part-*.parquet')}')`;
  const theirs = `read_parquet('${join(folder, 'python.parquet')}')`;
  const reply = await connection.runAndReadAll(
    `SELECT count(*) FILTER (WHERE a.prediction IS DISTINCT FROM b.prediction)
     FROM ${ours} AS a FULL JOIN ${theirs} AS b USING (flight_id)`,
  );
  return Number(reply.getRows()[0]?.[0]);
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

function row(name: string, took: readonly Took[]): string[] {
  const perSecond = took.map(({ rows: scored, seconds }) => scored / seconds);
  const cpu = took.map(({ rows: scored, cpuSeconds }) => (cpuSeconds / scored) * 1e6);
  const shown = (value: number) => Math.round(value).toLocaleString('en-US');
  const range = `${shown(Math.min(...perSecond))}–${shown(Math.max(...perSecond))}`;
  return [name, shown(median(perSecond)), range, median(cpu).toFixed(2)];
}

try {
  await run(python, [script('batch.py'), 'make', folder, String(rows)]);
  const [ours, theirs, withIds]: [Took[], Took[], Took[]] = [[], [], []];
  const results = (name: string) => join(folder, name);
  for (let round = 0; round < rounds; round += 1) {
    withIds.push(await asPython('ids'));
    theirs.push(await asPython());
    rmSync(results('whole'), { recursive: true, force: true });
    ours.push(await asSlipway(results('whole')));
  }
  const kept = await killedInTheMiddle(results('killed'));
  const resumed = await asSlipway(results('killed'));
  const different = [await differences(results('whole')), await differences(results('killed'))];
  const hashes = (name: string) =>
    Promise.all(partsIn(results(name)).map(async (part) => hashFile(join(results(name), part))));
  const same = JSON.stringify(await hashes('whole')) === JSON.stringify(await hashes('killed'));
  const table = columns([
    [
      `${rows.toLocaleString('en-US')} rows, ${rounds} rounds`,
      'rows/s, median',
      'range',
      'CPU µs/row',
    ],
    row('pyarrow + onnxruntime', theirs),
    row('the same, and ids as slipway writes', withIds),
    row('slipway, one function', ours),
  ]);
  process.stdout.write(
    `${table.join('\n')}\nrows with another prediction than Python's: ${different[0]}\nkilled with ${kept} of ${partsIn(results('whole')).length} parts written, resumed in ${resumed.seconds.toFixed(1)} s: ${same ? 'the same bytes' : 'OTHER BYTES'}, rows with another prediction than Python's: ${different[1]}\n`,
  );
  if (different.some((count) => count > 0) || !same) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
