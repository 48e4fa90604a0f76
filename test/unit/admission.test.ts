import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Admission,
  type AdmissionLimits,
  admissionLimits,
  type Place,
} from '../../containers/inference-server/admission.ts';
import { OverloadedError } from '../../core/inference/serving-errors.ts';

const longestBody = 4_000_000;
const tickMs = 20;

function admission(limits: Partial<AdmissionLimits> = {}) {
  const clock = { ms: 5_000 };
  const made = new Admission({
    maximumDelayMs: 1_000,
    maximumBytes: Number.POSITIVE_INFINITY,
    ...limits,
    now: () => clock.ms,
  });
  const admit = (bytes?: number): Place | undefined => {
    try {
      return made.admit(bytes, longestBody);
    } catch (error) {
      expect(error).toBeInstanceOf(OverloadedError);
      expect(String(error)).toContain('try again in 1 s');
      return undefined;
    }
  };
  const onTime = (ticks: number) => {
    for (let tick = 0; tick < ticks; tick += 1) {
      clock.ms += tickMs;
      made.tick();
    }
  };
  return { made, clock, admit, onTime };
}

describe('a request is admitted before it is read', () => {
  test('of those that come in one turn as many as can be read in time, then again as many', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 50, max: 2_000 }),
        fc.double({ min: 0.05, max: 30, noNaN: true }),
        (maximumDelayMs, readMs) => {
          const { admit, clock, onTime } = admission({ maximumDelayMs });
          onTime(3);
          for (const _turn of [1, 2]) {
            let taken = 0;
            while (admit(100)) {
              clock.ms += readMs;
              taken += 1;
            }
            // The last one was taken when there was still time.
            const readFor = taken * readMs;
            expect(readFor).toBeGreaterThan(maximumDelayMs);
            expect(readFor).toBeLessThan(maximumDelayMs + tickMs + readMs + 1e-6);
            expect(admit(100)).toBeUndefined();
            onTime(4);
          }
        },
      ),
    );
  });

  test('not right after a turn that was too long, however long, and soon again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_050, max: 10_000_000 }), (lateMs) => {
        const { made, admit, clock, onTime } = admission();
        admit(100);
        clock.ms += lateMs;
        made.tick();
        expect(admit(100)).toBeUndefined();
        onTime(2);
        expect(admit(100)).toBeDefined();
      }),
    );
  });

  test('always where nobody else waits', () => {
    const { made, admit, clock } = admission({ maximumBytes: 10 });
    clock.ms += 60_000;
    const alone = admit(1_000_000);
    expect(alone).toBeDefined();
    expect(admit(1)).toBeUndefined();
    made.leave(alone as Place);
    expect(admit()).toBeDefined();
  });

  describe('while the bodies of all fit', () => {
    const maximumBytes = 9_000_000;
    const weight = (bytes: number | undefined) => Math.max(bytes ?? longestBody, 1_024);
    const sum = (held: ReadonlyMap<Place, number>) =>
      [...held.values()].reduce((all, one) => all + one, 0);
    const step = fc.record({
      act: fc.constantFrom('admit', 'weigh', 'leave'),
      which: fc.nat(),
      bytes: fc.option(fc.integer({ min: 0, max: longestBody }), { nil: undefined }),
    });

    test('whatever they turn out to be, and whoever has left', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          const { made, admit } = admission({ maximumBytes });
          const held = new Map<Place, number>();
          const enter = (bytes: number | undefined) => {
            const fits = held.size === 0 || sum(held) + weight(bytes) <= maximumBytes;
            const place = admit(bytes);
            expect(place !== undefined).toBe(fits);
            if (place) held.set(place, weight(bytes));
          };
          const acts: Record<string, (place: Place, bytes: number) => void> = {
            weigh(place, bytes) {
              made.weigh(place, bytes);
              held.set(place, weight(bytes));
            },
            leave(place) {
              // A second time, as where an answer comes after its time was up.
              made.leave(place);
              made.leave(place);
              held.delete(place);
            },
          };
          for (const { act, which, bytes } of steps) {
            const place = [...held.keys()][which % Math.max(1, held.size)];
            if (act === 'admit') enter(bytes);
            else if (place) acts[act]?.(place, bytes ?? 0);
          }
        }),
      );
    });
  });
});

test('a server waits for its event loop as long as for its queues, within what a load balancer bears', () => {
  expect([50, 500, 100_000].map((ms) => admissionLimits(ms).maximumDelayMs)).toEqual([
    250, 500, 1_000,
  ]);
});
