import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createOnnxSession } from '../../adapters/onnx-session.ts';
import { WorkerPool } from '../../adapters/worker-session.ts';
import { OverloadedError } from '../../core/inference/serving-errors.ts';
import type { ModelInput, SessionRequest } from '../../core/inference/versions/loaded-version.ts';
import { featureSpec, signature } from '../builders/model-version.ts';
import { linearModel, linearPrediction } from '../builders/onnx-model.ts';

const graph = { weights: [0.01, -0.2], bias: 0.5 };
const request: Extract<SessionRequest, { runtime: 'onnx' }> = {
  runtime: 'onnx',
  onnx: linearModel(graph),
  spec: featureSpec(),
  signature: signature(),
};
const row = (...features: number[]): ModelInput => ({
  kind: 'features',
  rows: 1,
  features: Float32Array.from(features),
});

let pool: WorkerPool;
let lost: unknown[];
let folder: string;
function start(threads: number): WorkerPool {
  lost = [];
  folder = mkdtempSync(join(tmpdir(), 'mortal-worker-'));
  // A thread begins with a copy of its process's environment.
  process.env['MORTAL_WORKER_MARKER'] = join(folder, 'ended');
  pool = new WorkerPool({
    threads,
    entry: new URL('../fakes/mortal-worker.ts', import.meta.url),
    onLost: (reason) => lost.push(reason),
  });
  return pool;
}
afterEach(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('a model in threads', () => {
  test('answers with the same bits as in the process, many calls at a time, and leaves its input alone', async () => {
    const session = start(2).open(request);
    const inline = await createOnnxSession(request);
    const inputs = Array.from({ length: 50 }, (_, n) => row(n, n % 7 === 0 ? Number.NaN : -n));
    const answers = await Promise.all(inputs.map((input) => session.run(input)));
    for (const [n, input] of inputs.entries()) {
      expect(input.kind === 'features' && input.features[0]).toBe(n);
      expect(answers[n]).toEqual(await inline.run(input));
    }
    expect(await session.typicalRunMs()).toBeGreaterThan(0);
    await inline.release();
  });

  test('tells whoever calls it that its graph cannot be loaded', async () => {
    const broken = start(1).open({ ...request, onnx: Buffer.from('no graph') });
    await expect(broken.run(row(1, 2))).rejects.toMatchObject({ name: 'UnfitGraphError' });
    const session = pool.open(request);
    const { predictions } = await session.run(row(1, 2));
    expect(predictions[0]).toBeCloseTo(linearPrediction(graph, [1, 2]), 6);
    await session.release();
    await expect(session.run(row(1, 2))).rejects.toThrow('closed');
  });

  test('loses no call with a thread: another one does what it had to do, and is joined by a new one', async () => {
    const session = start(2).open(request);
    const firsts = [667, ...Array.from({ length: 80 }, (_, n) => n)];
    const answers = await Promise.all(firsts.map((first) => session.run(row(first, 2))));
    for (const [n, { predictions }] of answers.entries()) {
      expect(predictions[0]).toBeCloseTo(linearPrediction(graph, [firsts[n] ?? 0, 2]), 6);
    }
    expect(lost).toHaveLength(1);
    await until(() => pool.running === 2);
  });

  test('gives a call up that ends each thread it comes to, as a reason to come again', async () => {
    const session = start(2).open(request);
    await session.run(row(1, 2));
    await expect(session.run(row(666, 0))).rejects.toBeInstanceOf(OverloadedError);
    await until(() => pool.running === 2);
    const { predictions } = await session.run(row(3, 4));
    expect(predictions[0]).toBeCloseTo(linearPrediction(graph, [3, 4]), 6);
    expect(lost).toHaveLength(2);
  });
});
