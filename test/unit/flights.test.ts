import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Flight, Flights } from '../../containers/inference-server/flights.ts';

interface Numbered extends Flight {
  readonly number: number;
}

/** What is in it, first to last; it is empty afterwards. */
function drained(flights: Flights<Numbered>): number[] {
  const numbers: number[] = [];
  for (let first = flights.first; first; first = flights.first) {
    numbers.push(first.number);
    flights.delete(first);
  }
  return numbers;
}

interface Step {
  readonly adds: boolean;
  readonly which: number;
}

/** Does the same with both. */
function take(
  { adds, which }: Step,
  all: Numbered[],
  flights: Flights<Numbered>,
  set: Set<Numbered>,
) {
  if (adds) {
    const flight = { number: all.length };
    all.push(flight);
    flights.add(flight);
    set.add(flight);
    return;
  }
  const flight = all[which % (all.length || 1)];
  if (flight) expect(flights.delete(flight)).toBe(set.delete(flight));
}

describe('requests in flight', () => {
  test('are those that were added and not deleted, in their order, as of a Set', () => {
    const step = fc.record({ adds: fc.boolean(), which: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const flights = new Flights<Numbered>();
        const set = new Set<Numbered>();
        const all: Numbered[] = [];
        for (const step of steps) {
          take(step, all, flights, set);
          expect(flights.count).toBe(set.size);
        }
        expect(drained(flights)).toEqual([...set].map(({ number }) => number));
        expect(flights.count).toBe(0);
      }),
    );
  });

  test('leave no way from a request that has landed to one that came later', () => {
    const flights = new Flights<Numbered>();
    const [first, second, third] = [{ number: 1 }, { number: 2 }, { number: 3 }] as Numbered[];
    for (const flight of [first, second, third]) flights.add(flight as Numbered);
    flights.delete(second as Numbered);
    expect(second).toEqual({ number: 2, isUp: false, next: undefined, previous: undefined });
    expect(first?.next).toBe(third);
  });
});
