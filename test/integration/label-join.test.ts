import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withDuckdb } from '../../adapters/duckdb-database.ts';
import { labelJoin } from '../../adapters/duckdb-label-join.ts';

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const micros = (minute: number): number => Date.parse(at(minute)) * 1_000;

/** As the header of a file may have it. */
const eventTime = 'seen.at ("UTC")/~';

interface Made {
  readonly id: string;
  readonly minute: number;
  readonly entity: string | null;
  /** What it was asked for; undefined where it was not said. */
  readonly event: number | undefined;
}
interface Came {
  readonly id: string | null;
  readonly entity: string | null;
  readonly event: number | null;
  readonly minute: number;
  readonly label: string;
}

const lineOf = ({ id, minute, entity, event }: Made): string =>
  JSON.stringify({
    ...{ predictionId: id, model: 'churn', predictedAt: at(minute), entityKey: entity },
    inputs: { [eventTime]: event === undefined ? null : at(event) },
  });

/** Joins hours of the log, each in two files, with files of labels. */
async function joined(log: readonly string[], labels: ReadonlyMap<string, readonly Came[]>) {
  return withDuckdb(async (database) => {
    const tables = await labelJoin(database, 'churn', eventTime);
    const names = new Map<number, string>();
    for (const [name, came] of labels) {
      const file = await tables.addLabels(
        name,
        came.map(({ id, entity, event, minute, label }) => ({
          predictionId: id,
          entity: id === null ? entity : null,
          eventTime: event === null ? null : micros(event),
          label,
          receivedAt: at(minute),
        })),
      );
      names.set(file, name);
    }
    for (const [hour, text] of log.entries()) {
      const lines = text.split('\n');
      const half = Math.ceil(lines.length / 2);
      const paths = [lines.slice(0, half), lines.slice(half)].map((some, i) => {
        const path = join(database.folder, `log-${i}`);
        writeFileSync(path, some.join('\n'));
        return path;
      });
      await tables.addPredictions(paths, hour);
    }
    await tables.join();
    const lines: string[] = [];
    for await (const { hour, line, label } of tables.lines()) {
      lines.push(`${hour} ${JSON.parse(line).predictionId} ${label}`);
    }
    const matched = [...(await tables.matched())].map(([file, n]) => `${names.get(file)} ${n}`);
    return { lines, matched: matched.sort() };
  });
}

type Logged = Made & { readonly hour: number };

/** Of what was logged more than once, the first. */
function firstOfEach(hours: readonly (readonly Made[])[]): ReadonlyMap<string, Logged> {
  const all = hours.flatMap((made, hour) => made.map((one): Logged => ({ ...one, hour })));
  return new Map(all.reverse().map((one) => [one.id, one]));
}

/** The same by looking at every pair. */
function byHand(hours: readonly (readonly Made[])[], labels: ReadonlyMap<string, readonly Came[]>) {
  const known = firstOfEach(hours);
  const all = [...labels].flatMap(([name, came]) => came.map((one, n) => ({ ...one, name, n })));
  const pairs = all.flatMap((label) => {
    const about = label.id === null ? aboutEntity([...known.values()], label) : known.get(label.id);
    return about ? [{ about, label, rank: [label.minute, label.name, label.n] }] : [];
  });
  const lines = pairs
    .filter(
      (one) => !pairs.some(({ about, rank }) => about === one.about && isLess(one.rank, rank)),
    )
    .map(({ about, label }) => `${about.hour} ${about.id} ${label.label}`);
  const matched = [...Map.groupBy(pairs, ({ label }) => label.name)];
  return {
    lines: lines.sort(),
    matched: matched.map(([name, of]) => `${name} ${of.length}`).sort(),
  };
}

const isLess = (a: readonly (number | string)[], b: readonly (number | string)[]): boolean => {
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
};

function aboutEntity(known: readonly Logged[], label: Came) {
  let found: Logged | undefined;
  const time = (made: Made) => (label.event === null ? made.minute : (made.event ?? made.minute));
  for (const made of known) {
    if (made.entity === null || made.entity !== label.entity || made.minute > label.minute)
      continue;
    if (label.event !== null && time(made) > label.event) continue;
    const rank = (one: Made) => [time(one), one.minute, one.id];
    if (!found || isLess(rank(found), rank(made))) found = made;
  }
  return found;
}

const minute = fc.integer({ min: 0, max: 50 });
const entity = fc.option(fc.constantFrom('ann', 'bob', '"7"', 'é\n'));
const id = fc.integer({ min: 0, max: 8 }).map((n) => `p${n}`);
/** The same id is always the same prediction, though it may be logged twice. */
const log = fc
  .array(fc.record({ minute, entity, event: fc.option(minute, { nil: undefined }) }), {
    minLength: 9,
    maxLength: 9,
  })
  .chain((made) =>
    fc.array(
      fc.array(
        fc
          .nat(8)
          .map(
            (n): Made => ({ minute: 0, entity: null, event: undefined, ...made[n], id: `p${n}` }),
          ),
        { maxLength: 6 },
      ),
      { minLength: 1, maxLength: 3 },
    ),
  );
const came = fc.record({
  id: fc.option(id),
  entity,
  event: fc.option(minute),
  minute,
  label: fc.constantFrom('0', '1', 'true'),
});
const labels = fc
  .array(fc.array(came, { maxLength: 6 }), { minLength: 1, maxLength: 3 })
  .map((files) => new Map(files.map((file, i) => [`labels/${i}`, file])));

const textOf = (made: readonly Made[]): string => `${made.map(lineOf).join('\n')}\n`;

describe('labels and the prediction log', () => {
  it('are joined as by looking at every pair, in whatever order the files of labels come', async () => {
    await fc.assert(
      fc.asyncProperty(log, labels, async (hours, files) => {
        const expected = byHand(hours, files);
        const texts = hours.map(textOf);
        const found = await joined(texts, files);
        expect({ ...found, lines: [...found.lines].sort() }).toEqual(expected);
        expect(await joined(texts, new Map([...files].reverse()))).toEqual(found);
      }),
      { numRuns: 25 },
    );
  });

  it('have lines that are no records left out, and records of other models', async () => {
    const made: Made = { id: 'p1', minute: 1, entity: 'ann', event: undefined };
    const other = lineOf({ ...made, id: 'p2' }).replace('churn', 'other');
    const text = ['torn {"predictionId', '', '[1]', 'null', other, lineOf(made), ''].join('\n');
    const files = new Map([
      [
        'labels/0',
        [
          { id: 'p1', entity: null, event: null, minute: 9, label: '1' },
          { id: 'p2', entity: null, event: null, minute: 9, label: '1' },
        ],
      ],
    ]);
    expect(await joined([text], files)).toEqual({ lines: ['0 p1 1'], matched: ['labels/0 1'] });
  });

  it('are not about what was asked for to compare, although it came later', async () => {
    const made: Made = { id: 'p1', minute: 1, entity: 'ann', event: undefined };
    const compared = { ...JSON.parse(lineOf({ ...made, id: 'p2', minute: 2 })), purpose: 'parity' };
    const text = [lineOf(made), JSON.stringify(compared), ''].join('\n');
    const files = new Map([
      [
        'labels/0',
        [
          { id: null, entity: 'ann', event: null, minute: 9, label: '1' },
          { id: 'p2', entity: null, event: null, minute: 9, label: '1' },
        ],
      ],
    ]);
    expect(await joined([text], files)).toEqual({ lines: ['0 p1 1'], matched: ['labels/0 1'] });
  });
});
