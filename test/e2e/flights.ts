// Made-up flights in which the airports and the distance say something about the delay.
const origins = ['ATL', 'BOS', 'EWR', 'JFK', 'MIA'] as const;
const destinations = ['DEN', 'DFW', 'LAX', 'ORD', 'SEA', 'SFO'] as const;
const days = 58;

/** Mulberry32: numbers from 0 to below 1. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How a file says the same: other bytes, equal rows. */
export type Writing = 'plain' | 'quoted' | 'with carriage returns';

export interface Flights {
  readonly rows: number;
  readonly seed: number;
  readonly writing?: Writing;
  /** Which airports are late: another concept is another order of them. A model of one is none of another. */
  readonly concept?: number;
}

/** A CSV file with the columns of flight-delay, over two months; the same seed gives the same rows. */
export function flightsCsv({ rows, seed, writing = 'plain', concept = 0 }: Flights): string {
  const random = randomNumbers(seed);
  const below = (end: number) => Math.floor(random() * end);
  const text = writing === 'quoted' ? (value: string) => `"${value}"` : (value: string) => value;
  const lines = ['flight_id,date,origin,destination,distance,late'];
  for (let row = 0; row < rows; row += 1) {
    const [origin, destination] = [below(origins.length), below(destinations.length)];
    const distance = 200 + below(2_500);
    const date = new Date(Date.UTC(2001, 0, 1 + Math.floor((row / rows) * days), 6));
    const rank = (origin + concept) % origins.length;
    const late = random() < 0.05 + 0.16 * rank + 0.01 * destination + distance / 50_000;
    const [from, to] = [origins[origin] ?? '', destinations[destination] ?? ''];
    lines.push(
      `${text(`F${seed}-${row}`)},${date.toISOString()},${text(from)},${text(to)},${distance},${late ? 1 : 0}`,
    );
  }
  return `${lines.join(writing === 'with carriage returns' ? '\r\n' : '\n')}\n`;
}
