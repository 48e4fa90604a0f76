import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createOnnxSession } from '../../adapters/onnx-session.ts';
import {
  type BatchingOptions,
  batchedSession,
} from '../../core/inference/batching/batched-session.ts';
import { RunTimeFit } from '../../core/inference/batching/run-time-fit.ts';
import { DeadlineError, OverloadedError } from '../../core/inference/serving-errors.ts';
import type { ModelInput, ModelSession } from '../../core/inference/versions/loaded-version.ts';
import { featureSpec, signature } from '../builders/model-version.ts';
import { linearModel } from '../builders/onnx-model.ts';

const input = (...values: number[]): ModelInput => ({
  kind: 'features',
  rows: values.length,
  features: Float32Array.from(values),
});
/** A row that no run survives. */
const poison = -1;

/** What the fake model makes of a row. */
const answerTo = (value: number) => Math.fround(value * 2 + 1);

interface Begun {
  readonly at: number;
  readonly rows: number;
}

/** A clock that only moves when everything that could happen has happened, and a session that takes time on it. */
function world(perRunMs: number, perRowMs: number, options: Partial<BatchingOptions> = {}) {
  let now = 0;
  let order = 0;
  const due: { readonly at: number; readonly order: number; readonly call: () => void }[] = [];
  const at = (time: number, call: () => void) => due.push({ at: time, order: order++, call });
  const begun: Begun[] = [];
  let inFlight = 0;
  let mostInFlight = 0;
  const session: ModelSession = {
    async run(given) {
      if (given.kind !== 'features') throw new TypeError('features');
      inFlight += 1;
      mostInFlight = Math.max(mostInFlight, inFlight);
      begun.push({ at: now, rows: given.rows });
      await new Promise<void>((resolve) => {
        at(now + perRunMs + perRowMs * given.rows, resolve);
      });
      inFlight -= 1;
      if (given.features.includes(poison)) throw new Error('poisoned');
      return { predictions: given.features.map(answerTo) };
    },
    release: async () => undefined,
  };
  const batched = batchedSession(session, {
    maximumRows: 8,
    maximumQueuedRows: 1_000,
    now: () => now,
    elapsed: () => now,
    schedule: (work) => at(now, work),
    ...options,
  });
  async function run(): Promise<void> {
    for (;;) {
      // All that follows from the last step happens first.
      await new Promise((resolve) => setImmediate(resolve));
      due.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = due.shift();
      if (!next) return;
      now = next.at;
      next.call();
    }
  }
  return { batched, at, run, begun, now: () => now, mostInFlight: () => mostInFlight };
}

interface Outcome {
  readonly at: number;
  readonly predictions?: readonly number[];
  readonly error?: unknown;
}

const arrival = fc.record({
  at: fc.nat(60),
  values: fc.array(fc.oneof({ weight: 12, arbitrary: fc.nat(1_000) }, fc.constant(poison)), {
    minLength: 1,
    maxLength: 11,
  }),
  waitsMs: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 40 })),
});
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never;

async function outcomesOf(arrivals: readonly Arrival[], options: Partial<BatchingOptions>) {
  const made = world(3, 1, options);
  const outcomes: Outcome[] = [];
  for (const [index, { at, values, waitsMs }] of arrivals.entries()) {
    made.at(at, () => {
      made.batched.run(input(...values), { deadlineAt: at + waitsMs }).then(
        ({ predictions }) => {
          outcomes[index] = { at: made.now(), predictions: [...predictions] };
        },
        (error: unknown) => {
          outcomes[index] = { at: made.now(), error };
        },
      );
    });
  }
  await made.run();
  return { ...made, outcomes };
}

const isOfTime = (error: unknown): boolean =>
  error instanceof DeadlineError || error instanceof OverloadedError;

const some = fc.array(arrival, { minLength: 1, maxLength: 30 });
const parallel = fc.integer({ min: 1, max: 3 });

describe('requests that share a run', () => {
  test('each get their own answer, or their own failure, whatever came with them', async () => {
    await fc.assert(
      fc.asyncProperty(some, parallel, async (arrivals, parallelRuns) => {
        const { outcomes } = await outcomesOf(arrivals, { parallelRuns });
        expect(outcomes).toHaveLength(arrivals.length);
        for (const [index, { values }] of arrivals.entries()) {
          const outcome = outcomes[index];
          if (isOfTime(outcome?.error)) {
            // There is room for all: only who cannot wait is sent away.
            expect(arrivals[index]?.waitsMs).toBeLessThan(Number.POSITIVE_INFINITY);
          } else if (values.includes(poison)) {
            expect(outcome?.error).toEqual(new Error('poisoned'));
          } else {
            expect(outcome?.predictions).toEqual(values.map(answerTo));
          }
        }
      }),
    );
  });

  test('are no more rows than a run may have, in no more runs than may go on at a time', async () => {
    await fc.assert(
      fc.asyncProperty(some, parallel, async (arrivals, parallelRuns) => {
        const { begun, mostInFlight } = await outcomesOf(arrivals, { parallelRuns });
        const largest = Math.max(...arrivals.map(({ values }) => values.length));
        for (const { rows } of begun) expect(rows).toBeLessThanOrEqual(Math.max(8, largest));
        expect(mostInFlight()).toBeLessThanOrEqual(parallelRuns);
      }),
    );
  });

  test('are never begun after their time, and told so', async () => {
    await fc.assert(
      fc.asyncProperty(some, async (arrivals) => {
        const { outcomes } = await outcomesOf(arrivals, {});
        for (const [index, { at, waitsMs }] of arrivals.entries()) {
          const outcome = outcomes[index];
          if (outcome?.error instanceof DeadlineError) {
            expect(outcome.at).toBeGreaterThanOrEqual(at + waitsMs);
          }
        }
      }),
    );
  });
});

/** When an independent model of the rule begins its runs, and with how many rows: no failures, no deadlines. */
function workConserving(arrivals: readonly { at: number; rows: number }[], maximumRows: number) {
  const waiting = arrivals.toSorted((a, b) => a.at - b.at);
  const begun: Begun[] = [];
  let free = 0;
  while (waiting.length > 0) {
    const at = Math.max(free, waiting[0]?.at ?? 0);
    let rows = 0;
    for (;;) {
      const next = waiting[0];
      if (!next || next.at > at || (rows > 0 && rows + next.rows > maximumRows)) break;
      rows += next.rows;
      waiting.shift();
    }
    begun.push({ at, rows });
    free = at + 3 + rows;
  }
  return begun;
}

describe('when a run begins', () => {
  test('an idle session begins at once, and a busy one with all that came meanwhile', async () => {
    // Even times of arrival and odd ends of runs never meet, so that the order at one instant is no matter.
    const arrivals = fc.array(
      fc.record({ at: fc.nat(60).map((at) => at * 2), rows: fc.integer({ min: 1, max: 10 }) }),
      { minLength: 1, maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(arrivals, async (unordered) => {
        const ordered = unordered.toSorted((a, b) => a.at - b.at);
        const shifted = ordered.map(({ at, rows }) => ({ at, rows }));
        const { begun } = await outcomesOf(
          shifted.map(({ at, rows }) => ({
            at,
            values: new Array<number>(rows).fill(7),
            waitsMs: Number.POSITIVE_INFINITY,
          })),
          {},
        );
        expect(begun).toEqual(workConserving(shifted, 8));
      }),
    );
  });

  test('one request alone is not kept waiting for others', async () => {
    const { begun, outcomes } = await outcomesOf([{ at: 5, values: [1], waitsMs: 100 }], {});
    expect(begun).toEqual([{ at: 5, rows: 1 }]);
    expect(outcomes[0]?.at).toBe(9);
  });
});

describe('a queue that is full', () => {
  const crowd = (count: number): Arrival[] =>
    Array.from({ length: count }, () => ({
      at: 0,
      values: [1, 2],
      waitsMs: Number.POSITIVE_INFINITY,
    }));

  test('sends callers away with the seconds to wait, and takes them again when there is room', async () => {
    const made = await outcomesOf([...crowd(10), { at: 500, values: [5], waitsMs: 100 }], {
      maximumQueuedRows: 8,
    });
    const refused = made.outcomes.filter(({ error }) => error instanceof OverloadedError);
    expect(refused).toHaveLength(6);
    expect(refused.map(({ error }) => (error as OverloadedError).retryAfterSeconds)).toEqual(
      new Array(6).fill(1),
    );
    expect(made.outcomes.at(-1)?.predictions).toEqual([11]);
    expect(made.batched.queuedRows).toBe(0);
  });

  test('takes a request of more rows than may wait where nothing waits', async () => {
    const { outcomes } = await outcomesOf(
      [{ at: 0, values: new Array<number>(11).fill(1), waitsMs: 100 }],
      { maximumQueuedRows: 4 },
    );
    expect(outcomes[0]?.predictions).toHaveLength(11);
  });

  test('refuses at once what could not be answered in time, by the runs it has seen', async () => {
    const early = [1, 2, 3, 4].map((at) => ({ at: at * 20, values: [at], waitsMs: 1_000 }));
    // 40 rows are 5 runs of 11 ms: who may wait 20 ms would wait in vain.
    const { outcomes } = await outcomesOf(
      [
        ...early,
        ...crowd(20).map((one) => ({ ...one, at: 200 })),
        { at: 200, values: [9], waitsMs: 20 },
      ],
      {},
    );
    expect(outcomes.at(-1)?.error).toBeInstanceOf(OverloadedError);
    expect(outcomes.at(-1)?.at).toBe(200);
    expect(outcomes.slice(0, -1).every(({ predictions }) => predictions)).toBe(true);
  });

  test('counts in time too: more than may wait is refused', async () => {
    const early = [1, 2, 3, 4].map((at) => ({ at: at * 20, values: [at], waitsMs: 1_000 }));
    const { outcomes } = await outcomesOf(
      [...early, ...crowd(40).map((one) => ({ ...one, at: 200 }))],
      { maximumQueuedMs: 50 },
    );
    const refused = outcomes.filter(({ error }) => error instanceof OverloadedError);
    expect(refused.length).toBeGreaterThan(0);
    expect(outcomes.length - refused.length).toBeGreaterThan(4 + 5);
  });
});

describe('what waits, in milliseconds', () => {
  test('is told as those who came found it, and forgotten once told', async () => {
    const made = world(3, 1);
    const results: Promise<unknown>[] = [];
    const ask = (...values: number[]) => results.push(made.batched.run(input(...values)));
    for (const at of [0, 20, 40]) made.at(at, () => ask(1));
    made.at(60, () => ask(1, 2, 3));
    let found = 0;
    made.at(100, () => {
      made.batched.takeMeanQueuedWorkMs();
      ask(1);
      ask(2);
      ask(3);
      // Two rows are one run: 3 ms and 1 ms each.
      expect(made.batched.queuedWorkMs).toBeCloseTo(6, 6);
      found = made.batched.takeMeanQueuedWorkMs();
    });
    await made.run();
    await Promise.all(results);
    expect(found).toBeCloseTo((0 + 4 + 5) / 3, 6);
    expect(made.batched.takeMeanQueuedWorkMs()).toBe(0);
    expect(made.batched.queuedWorkMs).toBe(0);
  });

  test('is the line that the runs lie on', () => {
    const positive = fc.double({ min: 0.001, max: 10, noNaN: true });
    const rows = fc.uniqueArray(fc.integer({ min: 1, max: 256 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(positive, positive, rows, (perRunMs, perRowMs, runs) => {
        const fit = new RunTimeFit();
        for (const n of runs) fit.add(n, perRunMs + perRowMs * n);
        const expected = 4 * perRunMs + 1_000 * perRowMs;
        expect(fit.expectedMs(1_000, 256) / expected).toBeCloseTo(1, 3);
      }),
    );
  });

  test('is never less than nothing, whatever was measured', () => {
    const run = fc.tuple(
      fc.integer({ min: 1, max: 256 }),
      fc.double({ min: 0, max: 100, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 50 }), fc.nat(5_000), (runs, rows) => {
        const fit = new RunTimeFit();
        for (const [n, ms] of runs) fit.add(n, ms);
        expect(fit.expectedMs(rows, 256)).toBeGreaterThanOrEqual(0);
        expect(fit.expectedMs(rows + 1, 256)).toBeGreaterThanOrEqual(fit.expectedMs(rows, 256));
      }),
    );
  });
});

describe('a session that is released', () => {
  test('answers first what was asked before', async () => {
    const made = world(3, 1);
    const asked = [made.batched.run(input(1)), made.batched.run(input(2))];
    let releasedAt: number | undefined;
    void made.batched.release().then(() => {
      releasedAt = made.now();
    });
    await made.run();
    const answers = await Promise.all(asked);
    expect(answers.map(({ predictions }) => [...predictions])).toEqual([[3], [5]]);
    expect(releasedAt).toBe(5);
  });
});

describe('ONNX Runtime', () => {
  const graph = linearModel({ weights: [0.37, -0.0113], bias: 0.21 });
  let session: ModelSession;
  beforeAll(async () => {
    const spec = featureSpec();
    session = await createOnnxSession({
      runtime: 'onnx',
      onnx: graph,
      spec,
      signature: signature(),
    });
  });
  afterAll(() => session.release());

  test('gives a row the same bits in company as alone', async () => {
    const batched = batchedSession(session, { maximumRows: 64, maximumQueuedRows: 10_000 });
    const value = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.constant(Number.NaN),
    );
    const request = fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 5 });
    const asInput = (rows: readonly (readonly number[])[]): ModelInput => ({
      kind: 'features',
      rows: rows.length,
      features: Float32Array.from(rows.flat()),
    });
    const bitsOf = ({ predictions }: { predictions: Float32Array }) =>
      Buffer.from(predictions.slice().buffer).toString('hex');
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 40 }), async (requests) => {
        const together = await Promise.all(requests.map((rows) => batched.run(asInput(rows))));
        for (const [index, rows] of requests.entries()) {
          const alone = await Promise.all(rows.map((row) => session.run(asInput([row]))));
          const found = together[index];
          expect(found && bitsOf(found)).toBe(alone.map(bitsOf).join(''));
        }
      }),
      { numRuns: 50 },
    );
  });
});
