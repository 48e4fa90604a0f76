import { afterEach, describe, expect, test, vi } from 'vitest';
import { serverEnvironment } from '../../containers/inference-server/environment.ts';
import { ModelMetrics } from '../../containers/inference-server/model-metrics.ts';

const model = { name: 'churn', predictionStream: 'churn-predictions' };
const variables = {
  MODELS: JSON.stringify([model]),
  REGISTRY_TABLE: 'registry',
  ARTIFACTS_BUCKET: 'artifacts',
};

describe("the server's environment", () => {
  test('needs its models, where they are kept, and no more', () => {
    expect(serverEnvironment(variables)).toMatchObject({
      MODELS: [{ ...model, batching: { maximumRows: 256, maximumQueuedRows: 4_096 } }],
      PORT: 8_080,
      QUEUE_LIMIT_MS: 100,
    });
  });

  test.each([
    ['MODELS', '[{', 'MODELS: send JSON'],
    ['MODELS', '[]', 'MODELS: name at least one model'],
    ['MODELS', JSON.stringify([model, model]), 'MODELS: name each model once'],
    ['MODELS', JSON.stringify([{ ...model, cash: {} }]), 'MODELS[0]: Unrecognized key: "cash"'],
    ['PORT', 'http', 'PORT: '],
    ['WORKER_THREADS', '-1', 'WORKER_THREADS: '],
    ['REGISTRY_TABLE', undefined, 'REGISTRY_TABLE: '],
  ])('names %s where it is %j', (name, value, problem) => {
    expect(() => serverEnvironment({ ...variables, [name]: value })).toThrow(problem);
  });
});

describe('what a second brought', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  function written(act: (metrics: ModelMetrics) => void): Record<string, unknown>[] {
    const lines: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
    act(new ModelMetrics('churn'));
    vi.restoreAllMocks();
    return lines.map((line) => JSON.parse(line));
  }

  test('is nothing where nothing happened', () => {
    expect(written((metrics) => metrics.write(0))).toEqual([]);
  });

  test('has each latency once, a hundred a line at most, and is forgotten once written', () => {
    const latencies = Array.from({ length: 250 }, (_, n) => n / 8);
    const lines = written((metrics) => {
      for (const ms of latencies) metrics.answered(ms);
      metrics.write(0);
      metrics.write(0);
    });
    const values = lines.map((line) => line['PredictionLatencyMs'] as number[]);
    expect(values.map(({ length }) => length)).toEqual([100, 100, 50]);
    const rounded = latencies.map((ms) => Number(ms.toPrecision(3)));
    expect(values.flat()).toEqual(rounded);
    expect(lines.map((line) => line['PredictionErrors'])).toEqual([0, undefined, undefined]);
  });

  test('counts as errors what is one, tells of ten refusals of a kind at most, and of lost records where there are any', () => {
    const lines = written((metrics) => {
      for (let n = 0; n < 30; n += 1) metrics.refused(400, 'request refused', () => ({ n }));
      for (let n = 0; n < 3; n += 1) metrics.refused(503, 'request refused', () => ({ n }));
      metrics.write(7);
    });
    const told = lines.filter(({ message }) => message === 'request refused');
    expect(told.map(({ status }) => status)).toEqual([...Array(10).fill(400), 503, 503, 503]);
    expect(lines.at(-1)).toMatchObject({
      PredictionErrors: 3,
      PredictionLogDropped: 7,
      refused: { 400: 30, 503: 3 },
      untold: 20,
    });
  });
});
