// Real flights of the first months of 2001 (US Department of Transportation, in npm's vega-datasets).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { repositoryRoot } from '../laptop-file.ts';

const source = join(repositoryRoot, 'node_modules', 'vega-datasets', 'data', 'flights-3m.parquet');

/** Origins of each coast; destinations are anywhere. */
const origins = {
  east: ['ATL BOS CLT EWR PHL LGA PIT MCO BWI', 'DCA MIA TPA JFK FLL IAD CLE RDU BDL'],
  west: ['LAX PHX LAS SFO SEA SAN SJC SLC', 'OAK PDX DEN SMF SNA ONT BUR'],
} as const;
export type Coast = keyof typeof origins;

/** A flight as callers of the model's API describe it, with what became known later. */
export interface Flight {
  readonly instance: {
    readonly flight_id: string;
    readonly date: string;
    readonly origin: string;
    readonly destination: string;
    readonly distance: number;
  };
  readonly late: 0 | 1;
}

export interface DroppedFile {
  readonly path: string;
  readonly rows: number;
}

/** The parts of January and February that are dropped: [name, from, until]. */
const parts = [
  ['flights-2001-01a.parquet', '2001-01-01', '2001-01-16'],
  ['flights-2001-01b.parquet', '2001-01-16', '2001-02-01'],
  ['flights-2001-02a.parquet', '2001-02-01', '2001-02-15'],
  ['flights-2001-02b.csv', '2001-02-15', '2001-03-01'],
] as const;

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** The line number in the source, which never changes, names a flight. Late: by more than 15 minutes. */
const flightsOf = (coast: Coast): string => `
  SELECT printf('F%07d', file_row_number) AS flight_id, date, origin, destination,
         distance::INTEGER AS distance, (delay > 15)::INTEGER AS late
  FROM read_parquet(${text(source)}, file_row_number = true)
  WHERE origin IN (${origins[coast]
    .flatMap((line) => line.split(' '))
    .map(text)
    .join(', ')})`;

const between = (from: string, until: string): string =>
  `date >= TIMESTAMP ${text(from)} AND date < TIMESTAMP ${text(until)}`;

async function rowsOf(connection: DuckDBConnection, sql: string) {
  return (await connection.runAndReadAll(sql)).getRowObjectsJS();
}

async function withDuckdb<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return await use(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Writes each part of the east's January and February, as a query makes it of the part's flights. */
const writeParts = (folder: string, query: (flights: string) => string): Promise<DroppedFile[]> =>
  withDuckdb(async (connection) => {
    const files: DroppedFile[] = [];
    for (const [name, from, until] of parts) {
      const path = join(folder, name);
      const format = name.endsWith('.csv') ? 'FORMAT csv, HEADER' : 'FORMAT parquet';
      const flights = `${flightsOf('east')} AND ${between(from, until)}`;
      const [counted] = await rowsOf(
        connection,
        `COPY (${query(flights)} ORDER BY flight_id) TO ${text(path)} (${format})`,
      );
      files.push({ path, rows: Number(counted?.['Count']) });
    }
    return files;
  });

/** Writes the east's January and February as files of two formats. */
export const writeTrainingFiles = (folder: string): Promise<DroppedFile[]> =>
  writeParts(folder, (flights) => flights);

/** The same files with every label moved to another flight: what a wrong join upstream does. */
export const writeShuffledFiles = (folder: string, seed: number): Promise<DroppedFile[]> =>
  writeParts(
    folder,
    (flights) => `
  WITH flight AS (${flights}),
       place AS (SELECT * EXCLUDE (late), row_number() OVER (ORDER BY flight_id) AS n FROM flight),
       label AS (SELECT late, row_number() OVER (ORDER BY md5(${text(`${seed}:`)} || flight_id)) AS n FROM flight)
  SELECT place.* EXCLUDE (n), label.late FROM place JOIN label USING (n)`,
  );

/** Labels as people send them: a file with the key of each flight and what became of it. */
export function writeLabelFile(path: string, flights: readonly Flight[]): void {
  const lines = flights.map(({ instance, late }) => `${instance.flight_id},${late}`);
  writeFileSync(path, `${['flight_id,late', ...lines].join('\n')}\n`);
}

/** A seeded random sample of a coast's March, in the order of its departures. */
export const sampleMarch = (coast: Coast, rows: number, seed: number): Promise<Flight[]> =>
  withDuckdb(async (connection) => {
    const sample = await rowsOf(
      connection,
      `SELECT flight_id, strftime(date, '%Y-%m-%dT%H:%M:%SZ') AS date, origin, destination, distance, late
       FROM (SELECT * FROM (${flightsOf(coast)} AND ${between('2001-03-01', '2001-04-01')})
             ORDER BY md5(${text(`${seed}:`)} || flight_id) LIMIT ${rows})
       ORDER BY date, flight_id`,
    );
    return sample.map((row) => ({
      instance: {
        flight_id: String(row['flight_id']),
        date: String(row['date']),
        origin: String(row['origin']),
        destination: String(row['destination']),
        distance: Number(row['distance']),
      },
      late: row['late'] === 1 ? 1 : 0,
    }));
  });

/** Rows that break the model's rules among rows that keep them. */
export function writeBrokenFile(folder: string, good: readonly Flight[]): string {
  const rows = good.map(
    ({ instance: { flight_id, date, origin, destination, distance }, late }) => [
      `X${flight_id}`,
      date,
      origin,
      destination,
      distance,
      late,
    ],
  );
  const broken = [
    ['X-no-number', '2001-03-05T10:00:00Z', 'JFK', 'LAX', 'far', 0],
    ['X-too-far', '2001-03-05T10:00:00Z', 'JFK', 'LAX', 99_999, 0],
    ['X-no-origin', '2001-03-05T10:00:00Z', '', 'LAX', 2_475, 1],
    ['X-odd-label', '2001-03-05T10:00:00Z', 'JFK', 'LAX', 2_475, 7],
  ];
  const header = 'flight_id,date,origin,destination,distance,late';
  const path = join(folder, 'flights-2001-03-broken.csv');
  writeFileSync(
    path,
    `${[header, ...[...rows, ...broken].map((row) => row.join(','))].join('\n')}\n`,
  );
  return path;
}
