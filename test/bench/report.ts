// What was measured, as tables and as ratios against the targets.
import {
  fastapiLean,
  fastapiPydantic,
  floor,
  slipway,
  slipwaySampled,
  slipwayUnbatched,
} from './contestants.ts';
import type { Cell, CellResult, Run } from './measure.ts';

export interface Measured {
  readonly cells: readonly CellResult[];
  /** By model and contestant, MB at the end of the model's cells. */
  readonly memoryMb: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** By model, one per round: rows a second of ONNX Runtime alone. */
  readonly raw: ReadonlyMap<string, readonly number[]>;
}

export interface Target {
  readonly what: string;
  readonly bound: '≥' | '≤';
  readonly limit: number;
  /** Absent where what it needs was not measured. */
  readonly value?: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export const figure = (value: number): string => {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
};

export const markdown = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map((_, i) => (i === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

export const cellTitle = ({ model, connections, rows }: Cell): string =>
  `${model}, ${connections} connection${connections === 1 ? '' : 's'}, ${rows} row${rows === 1 ? '' : 's'} a request`;

function cellTable(
  { cell, runs }: CellResult,
  memory: ReadonlyMap<string, number> | undefined,
): string {
  const of = (all: readonly Run[], key: keyof Run) => median(all.map((run) => run[key]));
  const rows = [...runs].map(([name, all]) => [
    name,
    figure(of(all, 'requestsPerSecond')),
    figure(of(all, 'p50Ms')),
    figure(of(all, 'p99Ms')),
    figure(of(all, 'cpuUsPerRequest')),
    figure(memory?.get(name) ?? Number.NaN),
  ]);
  const header = ['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs/request', 'memory MB'];
  return `### ${cellTitle(cell)}\n\n${markdown(header, rows)}`;
}

/** The median of the rounds' own ratios: what is slow for all of a round cancels out. */
function ratio(
  { cells }: Measured,
  wanted: Cell,
  key: keyof Run,
  [above, below]: readonly [string, string],
): number | undefined {
  const found = cells.find(
    ({ cell }) =>
      cell.model === wanted.model &&
      cell.connections === wanted.connections &&
      cell.rows === wanted.rows,
  );
  const [top, bottom] = [found?.runs.get(above), found?.runs.get(below)];
  if (!top || !bottom) return undefined;
  return median(top.map((run, i) => run[key] / (bottom[i]?.[key] ?? Number.NaN)));
}

function rawRatio({ cells, raw }: Measured, model: string): number | undefined {
  const found = cells.find(({ cell }) => cell.model === model && cell.connections === 64);
  const served = found?.cell.rows === 1 ? found.runs.get(slipway) : undefined;
  const alone = raw.get(model);
  if (!served || !alone) return undefined;
  return median(
    served.map(({ requestsPerSecond }, i) => requestsPerSecond / (alone[i] ?? Number.NaN)),
  );
}

type Wanted = Omit<Target, 'value'> & { readonly value: number | undefined };

const cell = (model: string, connections: number, rows = 1): Cell => ({ model, connections, rows });

function wanted(measured: Measured): Wanted[] {
  const busy = { small: cell('small', 64), mid: cell('mid', 64) };
  const cpu = (model: 'small' | 'mid', other: string) =>
    ratio(measured, busy[model], 'cpuUsPerRequest', [other, slipway]);
  return [
    ...[fastapiLean, fastapiPydantic].flatMap((other): Wanted[] => [
      {
        what: `CPU of ${other} / Slipway, small`,
        bound: '≥',
        limit: 5,
        value: cpu('small', other),
      },
      { what: `CPU of ${other} / Slipway, mid`, bound: '≥', limit: 8, value: cpu('mid', other) },
    ]),
    ...['BentoML', 'MLServer', 'mlflow models serve'].map(
      (other): Wanted => ({
        what: `requests/s of one core, Slipway / ${other}, small`,
        bound: '≥',
        limit: 5,
        value: ratio(measured, busy.small, 'requestsPerSecond', [slipway, other]),
      }),
    ),
    {
      what: `CPU of Slipway / ${floor}, small`,
      bound: '≤',
      limit: 1.3,
      value: ratio(measured, busy.small, 'cpuUsPerRequest', [slipway, floor]),
    },
    {
      what: `CPU of ${slipwaySampled} / ${floor}, small`,
      bound: '≤',
      limit: 1.3,
      value: ratio(measured, busy.small, 'cpuUsPerRequest', [slipwaySampled, floor]),
    },
    {
      what: 'p50 at 1 connection with batching / without, small',
      bound: '≤',
      limit: 1.1,
      value: ratio(measured, cell('small', 1), 'p50Ms', [slipway, slipwayUnbatched]),
    },
    {
      what: 'requests/s served / rows/s of ONNX Runtime alone, row by row, mid',
      bound: '≥',
      limit: 1,
      value: rawRatio(measured, 'mid'),
    },
    {
      what: 'requests/s served / rows/s of ONNX Runtime alone, row by row, small',
      bound: '≥',
      limit: 0.2,
      value: rawRatio(measured, 'small'),
    },
  ];
}

export const targets = (measured: Measured): Target[] =>
  wanted(measured).map(({ value, ...rest }) => ({
    ...rest,
    ...(value !== undefined && { value }),
  }));

function verdict({ bound, limit, value }: Target): string {
  if (value === undefined) return 'not measured';
  return (bound === '≥' ? value >= limit : value <= limit) ? 'met' : 'missed';
}

export function targetTable(found: readonly Target[]): string {
  const rows = found.map((target) => [
    target.what,
    `${target.bound} ${target.limit}`,
    target.value === undefined ? '–' : target.value.toFixed(2),
    verdict(target),
  ]);
  return `### Targets, 64 connections and 1 row a request where nothing else is said\n\n${markdown(['', 'target', 'measured', ''], rows)}`;
}

function rawTable(raw: Measured['raw']): string {
  const rows = [...raw].map(([model, all]) => [model, figure(median(all))]);
  return `### ONNX Runtime alone, row by row, one thread, no server\n\n${markdown(['', 'rows/s'], rows)}`;
}

export const tables = (measured: Measured): string =>
  [
    ...measured.cells.map((result) => cellTable(result, measured.memoryMb.get(result.cell.model))),
    rawTable(measured.raw),
    targetTable(targets(measured)),
  ].join('\n\n');
