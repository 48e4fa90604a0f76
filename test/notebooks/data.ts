// The files that the notebooks read, made of public data that comes with an npm package.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../e2e/command-line.ts';

const source = (name: string): string =>
  readFileSync(join(root, 'node_modules', 'vega-datasets', 'data', name), 'utf8');

type Cell = string | number | null | undefined;

const cell = (value: Cell): string => {
  const text = String(value ?? '');
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function csv(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return `${[header, ...rows].map((row) => row.map(cell).join(',')).join('\n')}\n`;
}

/** The rows of a CSV in which no field has a quote. */
function plainRows(text: string): Record<string, string>[] {
  const [header = '', ...lines] = text.trim().split('\n');
  const names = header.trim().split(',');
  return lines
    .map((line) => line.trim().split(','))
    .filter((fields) => fields.length === names.length)
    .map((fields) => Object.fromEntries(names.map((name, i) => [name, fields[i] ?? ''])));
}

const strikeColumns = [
  'Flight Date',
  'Aircraft Airline Operator',
  'Origin State',
  'Phase of flight',
  'Wildlife Size',
  'Wildlife Species',
  'Time of day',
  'Cost Total $',
  'Speed IAS in knots',
];

/** Bird strikes; the label says whether the aircraft was damaged. */
function birdstrikes(): string {
  const rows = plainRows(source('birdstrikes.csv')).map((row, i) => [
    `S${i}`,
    ...strikeColumns.map((name) => row[name]),
    row['Effect Amount of damage'] === 'None' ? 0 : 1,
  ]);
  return csv(['strike_id', ...strikeColumns, 'damaged'], rows);
}

interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

/** Flights; one in eleven has no distance. */
function flights(): string {
  const all: Flight[] = JSON.parse(source('flights-10k.json'));
  const rows = all.map(({ date, delay, distance, origin, destination }, i) => [
    `F${i}`,
    `${date.replaceAll('/', '-').replace(' ', 'T')}:00Z`,
    origin,
    destination,
    i % 11 === 0 ? null : distance,
    delay > 15 ? 1 : 0,
  ]);
  return csv(['flight_id', 'date', 'origin', 'destination', 'distance', 'late'], rows);
}

interface Movie {
  readonly Title: string | number | null;
  readonly 'Major Genre': string | null;
}

/** Titles of movies whose genre is known; every fifth is for the test. */
function movies(): string {
  const all: Movie[] = JSON.parse(source('movies.json'));
  const known = all.filter((movie) => movie.Title !== null && movie['Major Genre'] !== null);
  const rows = known.map((movie, i) => [
    `M${i}`,
    String(movie.Title),
    i % 5 === 4 ? 'test' : 'train',
    /Comedy/.test(movie['Major Genre'] ?? '') ? 1 : 0,
  ]);
  return csv(['movie_id', 'title', 'fold', 'comedy'], rows);
}

/** Writes the three files into a folder. */
export function writeNotebookData(folder: string): void {
  writeFileSync(join(folder, 'birdstrikes.csv'), birdstrikes());
  writeFileSync(join(folder, 'flights.csv'), flights());
  writeFileSync(join(folder, 'movies.csv'), movies());
}
