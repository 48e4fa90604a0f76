import type { RawColumns, RawValue } from '../../features/raw-values.ts';
import type { SignatureColumn } from '../signature.ts';

/** What rows have in common: a value that is missing, a value, a form of a text, a side of a bound. */
export interface Condition {
  readonly column: string;
  /** What is so of the column, as in `is missing` or `is above 65`. */
  readonly says: string;
  /** Rows of which it is so. */
  readonly rows: number;
  /** Of the rows that differ, those of which it is so. */
  readonly differing: number;
}

export interface Explanation extends Condition {
  /** All rows that differ. */
  readonly allDiffering: number;
  readonly text: string;
}

/** A row's part in the search: 1 where it differs. */
type Marks = Uint8Array;

/** A condition as it is tried: places of its rows are counted, and not kept. */
interface Tried extends Omit<Condition, 'column'> {
  readonly correlation: number;
}

/**
 * φ of two yes-or-no columns (Matthews correlation): 1 where the condition holds of exactly the rows that
 * differ.
 */
function correlation(all: number, differing: number, rows: number, both: number): number {
  const product = differing * (all - differing) * rows * (all - rows);
  return product === 0 ? 0 : (both * all - differing * rows) / Math.sqrt(product);
}

/** ln n! for n from 0 on. */
function logFactorials(upTo: number): Float64Array {
  const sums = new Float64Array(upTo + 1);
  for (let n = 2; n <= upTo; n += 1) sums[n] = (sums[n - 1] ?? 0) + Math.log(n);
  return sums;
}

/**
 * Chance that so many of the differing rows, or more, meet a condition that has nothing to do with it: the
 * upper tail of the hypergeometric distribution (Fisher's exact test).
 */
export function chanceOfOverlap(
  all: number,
  differing: number,
  { rows, differing: both }: Pick<Condition, 'rows' | 'differing'>,
): number {
  const log = logFactorials(all);
  const choose = (n: number, k: number) => (log[n] ?? 0) - (log[k] ?? 0) - (log[n - k] ?? 0);
  let chance = 0;
  for (let x = both; x <= Math.min(rows, differing); x += 1) {
    if (rows - x > all - differing) continue;
    chance += Math.exp(
      choose(differing, x) + choose(all - differing, rows - x) - choose(all, rows),
    );
  }
  return Math.min(chance, 1);
}

const shown = (value: RawValue): string => {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
};

interface Search {
  readonly marks: Marks;
  readonly differing: number;
}

function tried(search: Search, says: string, isSo: (row: number) => boolean): Tried {
  let [rows, differing] = [0, 0];
  for (const [row, mark] of search.marks.entries()) {
    if (!isSo(row)) continue;
    rows += 1;
    differing += mark;
  }
  const phi = correlation(search.marks.length, search.differing, rows, differing);
  return { says, rows, differing, correlation: phi };
}

/** Every value that occurs more than once. */
function byValue(search: Search, values: readonly RawValue[]): Tried[] {
  const counts = new Map<RawValue, { rows: number; differing: number }>();
  for (const [row, mark] of search.marks.entries()) {
    const value = values[row] ?? null;
    if (value === null) continue;
    const count = counts.get(value) ?? { rows: 0, differing: 0 };
    counts.set(value, { rows: count.rows + 1, differing: count.differing + mark });
  }
  return [...counts].flatMap(([value, { rows, differing }]) =>
    // What one row alone has explains nothing.
    rows < 2
      ? []
      : [
          {
            says: `is ${shown(value)}`,
            rows,
            differing,
            correlation: correlation(search.marks.length, search.differing, rows, differing),
          },
        ],
  );
}

/** Every bound between two neighbouring values, with the rows at or below it and those above it. */
function byBound(
  search: Search,
  numbers: readonly (number | undefined)[],
  says: { readonly above: (x: number) => string; readonly upTo: (x: number) => string },
): Tried[] {
  const rows = numbers.flatMap((value, row) => (value === undefined ? [] : [{ value, row }]));
  rows.sort((a, b) => a.value - b.value);
  const marked = rows.reduce((sum, { row }) => sum + (search.marks[row] ?? 0), 0);
  const found: Tried[] = [];
  let differing = 0;
  for (const [place, { row, value }] of rows.entries()) {
    differing += search.marks[row] ?? 0;
    const next = rows[place + 1]?.value;
    if (next === undefined || next === value) continue;
    const side = (text: string, count: number, both: number): Tried => ({
      says: text,
      rows: count,
      differing: both,
      correlation: correlation(search.marks.length, search.differing, count, both),
    });
    found.push(side(says.upTo(value), place + 1, differing));
    found.push(side(says.above(value), rows.length - place - 1, marked - differing));
  }
  return found;
}

const textForms: readonly { readonly says: string; readonly pattern: RegExp }[] = [
  { says: 'begins or ends with a space', pattern: /^\s|\s$/u },
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII.
  { says: 'has characters outside ASCII', pattern: /[^\x00-\x7f]/u },
  { says: 'has capital letters', pattern: /\p{Lu}/u },
  { says: 'has digits', pattern: /\p{Nd}/u },
  { says: 'has a line break', pattern: /[\r\n]/u },
  { says: 'is empty', pattern: /^$/u },
];

function ofText(search: Search, values: readonly RawValue[]): Tried[] {
  const texts = values.map((value) => (typeof value === 'string' ? value : undefined));
  return [
    ...textForms.map(({ says, pattern }) =>
      tried(search, says, (row) => pattern.test(texts[row] ?? 'a')),
    ),
    ...byBound(
      search,
      texts.map((text) => text?.length),
      {
        above: (x) => `is longer than ${x} characters`,
        upTo: (x) => `has at most ${x} characters`,
      },
    ),
  ];
}

const isNumber = (value: RawValue | undefined): value is number => typeof value === 'number';

function ofColumn(search: Search, column: SignatureColumn, values: readonly RawValue[]): Tried[] {
  const missing = tried(search, 'is missing', (row) => (values[row] ?? null) === null);
  // Of a sensitive column nothing is told that a value could be read from.
  if (column.sensitive) return [missing];
  if (column.type === 'string') {
    return [missing, ...byValue(search, values), ...ofText(search, values)];
  }
  if (column.type === 'boolean') return [missing, ...byValue(search, values)];
  const shownBound = (x: number) =>
    column.type === 'timestamp' ? new Date(Math.floor(x / 1_000)).toISOString() : String(x);
  return [
    missing,
    ...(column.type === 'integer' ? byValue(search, values) : []),
    ...byBound(
      search,
      values.map((value) => (isNumber(value) ? value : undefined)),
      {
        above: (x) => `is above ${shownBound(x)}`,
        upTo: (x) => `is at most ${shownBound(x)}`,
      },
    ),
  ];
}

const rowsText = (count: number): string => (count === 1 ? '1 row' : `${count} rows`);

function textOf({ column, says, rows, differing }: Condition, all: number): string {
  const agreeing = rows - differing;
  const who =
    all === 1
      ? 'in the one row that differs'
      : differing === all
        ? `in all ${all} rows that differ`
        : `in ${differing} of the ${all} rows that differ`;
  const others = agreeing === 0 ? 'in no other row' : `also in ${rowsText(agreeing)} that agree`;
  return `${who}, ${column} ${says}; ${others}`;
}

/** Half of what is the case at most by chance is not worth a person's hour. */
const leastCorrelation = 0.5;
const significance = 0.01;

/**
 * The one condition on a column that parts the rows that differ from the others best: a missing value, one
 * value, a form of a text, a bound. Undefined where all or none differ, and where what was found is what so
 * many attempts find by chance (Bonferroni).
 */
export function explainDifferences(
  columns: readonly SignatureColumn[],
  values: RawColumns,
  rows: number,
  differing: readonly number[],
): Explanation | undefined {
  if (differing.length === 0 || differing.length === rows) return undefined;
  const marks = new Uint8Array(rows);
  for (const row of differing) marks[row] = 1;
  const search = { marks, differing: differing.length };
  let attempts = 0;
  let best: (Tried & { readonly column: string }) | undefined;
  for (const column of columns) {
    for (const found of ofColumn(search, column, values[column.name] ?? [])) {
      attempts += 1;
      // Of equally good ones the first, which is the simpler one.
      if (found.correlation <= (best?.correlation ?? 0) + 1e-12) continue;
      best = { ...found, column: column.name };
    }
  }
  if (!best || best.correlation < leastCorrelation) return undefined;
  const chance = chanceOfOverlap(rows, differing.length, best) * attempts;
  if (chance > significance) return undefined;
  const { correlation: _, ...condition } = best;
  return {
    ...condition,
    allDiffering: differing.length,
    text: textOf(condition, differing.length),
  };
}
