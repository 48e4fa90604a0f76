import { readFile as readBytes } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withDuckdb } from '../../adapters/duckdb-database.ts';
import { timestampMicros } from '../../core/features/raw-values.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { readFile, told } from './typed-tables.ts';

const definition = defineModel(
  aModelDefinition({
    data: {
      columns: {
        id: { type: 'string' },
        at: { type: 'timestamp', nullable: true },
        count: { type: 'integer', nullable: true, minimum: -5, maximum: 5 },
        price: { type: 'number', nullable: true, minimum: 0.5 },
        kind: { type: 'string', nullable: true, allowed: ['a', "b's"] },
        paid: { type: 'boolean', nullable: true },
        left: { type: 'integer', allowed: [0, 1] },
      },
      label: 'left',
    },
    features: { declared: { price: { transform: 'numeric', column: 'price' } } },
    evaluation: {
      ...aModelDefinition().evaluation,
      holdout: { by: 'group', column: 'id', fraction: 0.2 },
    },
  }),
);
const header = 'id,at,count,price,kind,paid,left';
const goodRow = 'x,2001-01-01,1,1.5,a,true,1';
const csvOf = (rows: readonly string[]): string => `${[header, ...rows].join('\n')}\n`;
const csv = (...rows: string[]): string => csvOf(rows);
const goodObject = {
  id: 'x',
  at: '2001-01-01',
  count: 1,
  price: 1.5,
  kind: 'a',
  paid: true,
  left: 1,
};

/** Parquet of one SELECT, written by DuckDB. */
const parquetOf = (select: string): Promise<Buffer> =>
  withDuckdb(async (database) => {
    const path = join(database.folder, 'made.parquet');
    await database.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
    return readBytes(path);
  });

/** The rule that a CSV field breaks; the oracle of the test of rules, which looks at one field at a time. */
const ruleBrokenBy: Record<string, (text: string) => string | undefined> = {
  count(text) {
    if (text === '') return undefined;
    const isInteger = /^-?\d+(\.0)?$/.test(text) && Number.isSafeInteger(Number(text));
    if (!isInteger) return 'type';
    return Number(text) < -5 ? 'minimum' : Number(text) > 5 ? 'maximum' : undefined;
  },
  price(text) {
    if (['1,5', 'abc', '1_0', '0x1'].includes(text)) return 'type';
    return text !== '' && Number(text) < 0.5 ? 'minimum' : undefined;
  },
  kind: (text) => (['', 'a', "b's"].includes(text) ? undefined : 'allowed'),
  paid: (text) => (text === 'yes' ? 'type' : undefined),
  left: (text) => ({ '': 'not_null', no: 'type', 2: 'allowed' })[text],
};

/** `column rule` → the rows, from 1 on, that break it. */
function brokenRows(rows: readonly Record<string, string>[]): Map<string, number[]> {
  const broken = new Map<string, number[]>();
  for (const [index, row] of rows.entries()) {
    for (const [column, text] of Object.entries(row)) {
      const rule = ruleBrokenBy[column]?.(text);
      if (rule === undefined) continue;
      const what = `${column} ${rule}`;
      broken.set(what, [...(broken.get(what) ?? []), index + 1]);
    }
  }
  return broken;
}

describe('a dropped file', () => {
  const forms: [string, () => string | Uint8Array][] = [
    ['plain.csv', () => csv(goodRow, goodRow)],
    ['UPPER.CSV', () => csv(goodRow, goodRow)],
    ['windows.csv', () => csv(goodRow, goodRow).replaceAll('\n', '\r\n')],
    ['mixed.csv', () => csv(goodRow, goodRow).replace('\n', '\r\n')],
    ['old-mac.csv', () => csv(goodRow, goodRow).replaceAll('\n', '\r')],
    ['bom.csv', () => `\ufeff${csv(goodRow, goodRow)}`],
    ['no-end.csv', () => csv(goodRow, goodRow).trimEnd()],
    ['quoted.csv', () => csv(goodRow.replaceAll(/[^,]+/g, '"$&"'), goodRow)],
    ['semicolon.csv', () => csv(goodRow, goodRow).replaceAll(',', ';')],
    ['tab.csv', () => csv(goodRow, goodRow).replaceAll(',', '\t')],
    ['blank.csv', () => `${csv(goodRow)}\n\n${goodRow}\n\n`],
    ['packed.csv.gz', () => gzipSync(csv(goodRow, goodRow))],
    ['lines.jsonl', () => `${JSON.stringify(goodObject)}\n${JSON.stringify(goodObject)}`],
    [
      'lines.ndjson',
      () => `${JSON.stringify(goodObject)}\r\n\r\n${JSON.stringify(goodObject)}\r\n`,
    ],
    [
      'lines.jsonl.gz',
      () => gzipSync(`\ufeff${JSON.stringify(goodObject)}\n${JSON.stringify(goodObject)}\n`),
    ],
  ];
  it.each(forms)('is read, in the form of %s', async (name, content) => {
    const read = await readFile(definition, name, content());
    expect(told(read)).toEqual([]);
    expect(read.rows).toBe(2);
    expect(read.columns).toEqual({
      id: ['x', 'x'],
      at: [978_307_200_000_000, 978_307_200_000_000],
      count: [1, 1],
      price: [1.5, 1.5],
      kind: ['a', 'a'],
      paid: [true, true],
      left: [1, 1],
    });
  });

  it('is read, in the form of Parquet', async () => {
    const content = await parquetOf(
      `SELECT 'x' AS id, DATE '2001-01-01' AS "at", 1::UTINYINT AS count, 1.5::DECIMAL(4, 2) AS price,
        'a' AS kind, true AS paid, 1::HUGEINT AS "left" FROM range(2)`,
    );
    const read = await readFile(definition, 'table.parquet', content);
    expect(told(read)).toEqual([]);
    expect(read.columns['at']).toEqual([978_307_200_000_000, 978_307_200_000_000]);
    expect(read.columns['price']).toEqual([1.5, 1.5]);
  });

  const broken: [string, string | Uint8Array, RegExp][] = [
    ['nothing.csv', '', /is empty/],
    ['blank.csv', '\n \n\n', /has no rows/],
    ['notes.txt', csv(goodRow), /notes\.txt has a name of no known form; use \.csv/],
    ['table.json', '[]', /no known form/],
    ['no-extension', csv(goodRow), /no known form/],
    ['image.csv', new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 1, 2]), /binary|UTF-8/],
    ['nul.csv', csv(goodRow.replace('x', '\0')), /NUL/],
    ['latin.csv', Buffer.from(csv(goodRow.replace('x', 'é')), 'latin1'), /not UTF-8/],
    ['utf16.csv', Buffer.from(`\ufeff${csv(goodRow)}`, 'utf16le'), /UTF-16/],
    ['packed.csv', gzipSync(csv(goodRow)), /let its name end in \.gz/],
    ['plain.csv.gz', csv(goodRow), /not gzip-compressed/],
    ['cut.csv.gz', gzipSync(csv(goodRow)).subarray(0, 30), /cut off/],
    ['sheet.csv', Buffer.from('PK\u0003\u0004 and so on'), /spreadsheet/],
    ['table.csv', Buffer.from('PAR1 and so on PAR1'), /\.parquet/],
    ['text.parquet', csv(goodRow), /cannot be read/],
    ['cut.parquet', Buffer.from('PAR1PAR1'), /cannot be read/],
  ];
  it.each(broken)(
    'that cannot be read is a finding that says why: %s',
    async (name, content, why) => {
      const read = await readFile(definition, name, content);
      expect(read.rows).toBeNull();
      expect(read.findings).toHaveLength(1);
      expect(read.findings[0]?.message).toMatch(why);
    },
  );

  it('of Parquet with any byte changed is read or is a finding, and never a crash', async () => {
    const whole = await parquetOf(
      `SELECT 'x' || i AS id, DATE '2001-01-01' AS "at", i % 5 AS count, 1.5 + i AS price, 'a' AS kind,
        true AS paid, i % 2 AS "left" FROM range(50) t(i)`,
    );
    const changed = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(changed, async ([at, by]) => {
        const content = Buffer.from(whole);
        content[at] = (content[at] ?? 0) ^ by;
        const read = await readFile(definition, 'changed.parquet', content);
        expect(read.rows === null ? read.findings.length : 1).toBe(1);
      }),
      { numRuns: 40 },
    );
  });

  it('with other columns than declared names each of them', async () => {
    const content = 'id,at,Count,price,kind,paid,left,left\nx,,1,1,a,true,1,1\n';
    const read = await readFile(definition, 'columns.csv', content);
    expect(told(read)).toEqual([
      'Count column_unknown 1',
      'count column_missing 1',
      'left column_repeated 1',
    ]);
  });

  it('with rows of another form names the rows, and the right rows after them', async () => {
    const bad = 'x,2001-01-01,99,1,a,true,1';
    const read = await readFile(
      definition,
      'ragged.csv',
      csv(goodRow, 'too,few', bad, `${goodRow},more`, goodRow, bad),
    );
    expect(told(read)).toEqual(['- row_form 2', 'count maximum 2']);
    const rows = read.findings.map(({ examples }) => examples.map(({ row }) => row));
    expect(rows).toEqual([
      [2, 4],
      [3, 6],
    ]);
    expect(read.rows).toBe(6);
  });

  it('with lines that are no JSON objects names the lines', async () => {
    const line = JSON.stringify(goodObject);
    const read = await readFile(
      definition,
      'lines.jsonl',
      [line, '', '{broken', '[1]', line, '7', JSON.stringify({ ...goodObject, extra: 1 })].join(
        '\n',
      ),
    );
    expect(told(read)).toEqual(['- row_form 3', 'extra column_unknown 1']);
    const form = read.findings.find(({ rule }) => rule === 'row_form');
    expect(form?.examples).toEqual([
      { row: 3, value: '{broken' },
      { row: 4, value: '[1]' },
      { row: 6, value: '7' },
    ]);
  });

  it('shows at most 20 rows and counts all', async () => {
    const rows = Array.from({ length: 5_000 }, (_, i) => `x,,,${i % 2 ? 'cheap' : 1},,,1`);
    const read = await readFile(definition, 'many.csv', csvOf(rows));
    expect(told(read)).toEqual(['price type 2500']);
    expect(read.findings[0]?.examples).toHaveLength(20);
    expect(read.findings[0]?.examples[19]).toEqual({ row: 40, value: 'cheap' });
  });

  it('never shows a value of a sensitive column', async () => {
    const { columns } = definition.data;
    const sensitive = defineModel({
      ...definition,
      data: {
        ...definition.data,
        columns: {
          ...columns,
          price: { type: 'number', sensitive: true, maximum: 1, nullable: false },
        },
      },
    });
    const content = csv('x,,,secret-1,,,1', 'x,,,4242,,,1', 'x,secret-2');
    const read = await readFile(sensitive, 'secrets.csv', content);
    expect(told(read)).toEqual(['- row_form 1', 'price maximum 1', 'price type 1']);
    expect(JSON.stringify(read.findings)).not.toMatch(/secret|4242/);
  });

  it('of a type in Parquet that is not the declared one is told for every row', async () => {
    const content = await parquetOf(
      `SELECT 1 AS id, TIME '10:00:00' AS "at", 1.5 AS count, 'NaN'::DOUBLE AS price, 'a' AS kind,
        1 AS paid, true AS "left" FROM range(3)`,
    );
    const read = await readFile(definition, 'types.parquet', content);
    expect(told(read)).toEqual(
      ['id', 'at', 'count', 'price', 'paid', 'left'].map((column) => `${column} type 3`).sort(),
    );
  });

  it('with infinities and NaN has no numbers there, in any form', async () => {
    const numbers = ['NaN', 'nan', 'inf', '-Infinity', '1e999', '4e38'];
    const read = await readFile(
      definition,
      'numbers.csv',
      csv(...numbers.map((number) => `x,,,${number},,,1`)),
    );
    expect(told(read)).toEqual(['price type 6']);
    const lines = ['NaN', 'Infinity', '1e999', '4e38', '"1.5"', '[1]', '{}', 'true'].map((value) =>
      JSON.stringify(goodObject).replace('1.5', value),
    );
    const json = await readFile(definition, 'numbers.jsonl', lines.join('\n'));
    expect(told(json)).toEqual(['price type 8']);
  });
});

describe('values in files', () => {
  it('are the timestamps that a request may send, and no others', async () => {
    const two = fc.oneof(
      fc.integer({ min: 0, max: 61 }).map((n) => String(n).padStart(2, '0')),
      fc.stringMatching(/^[0-9]{2}$/),
    );
    const time = fc
      .tuple(
        fc.constantFrom('T', ' ', 't', ''),
        two,
        two,
        fc.option(fc.tuple(two, fc.option(fc.stringMatching(/^[0-9]{1,10}$/)))),
        fc.oneof(
          fc.constantFrom(
            '',
            'Z',
            'z',
            '+00:00',
            '-0330',
            '+14:00',
            '+15:00',
            '+01:75',
            '+1',
            'UTC',
          ),
          fc.tuple(fc.constantFrom('+', '-'), two, two).map(([sign, h, m]) => `${sign}${h}:${m}`),
        ),
      )
      .map(
        ([t, h, m, s, zone]) =>
          `${t}${h}:${m}${s ? `:${s[0]}${s[1] === null ? '' : `.${s[1]}`}` : ''}${zone}`,
      );
    const year = fc.oneof(fc.integer({ min: 1680, max: 2260 }), fc.integer({ min: 0, max: 9999 }));
    const date = fc
      .tuple(year, fc.integer({ min: 0, max: 13 }), fc.integer({ min: 0, max: 32 }))
      .map(
        ([y, m, d]) =>
          `${String(y).padStart(4, '0')}-${String(m).padStart(2, '0')}-${String(d).padStart(2, '0')}`,
      );
    const texts = fc.sample(
      fc.oneof(
        fc.tuple(date, time).map((parts) => parts.join('')),
        date,
        fc.stringMatching(/^[0-9T:.Z+-]{1,25}$/),
      ),
      { numRuns: 20_000, seed: 7 },
    );
    const edges = [
      '1684-07-28T00:12:25.259008Z',
      '1684-07-28T00:12:25.259009Z',
      '2255-06-05T23:47:34.740992Z',
    ];
    const all = [...texts, ...edges, '2000-02-29', '1900-02-29'];
    const expected = all.map((text) => timestampMicros(text) ?? null);
    expect(expected.filter((micros) => micros !== null).length).toBeGreaterThan(1_000);
    const rows = all.map((text) => `x,"${text}",,,,,1`);
    const fromCsv = await readFile(definition, 'times.csv', csvOf(rows));
    expect(fromCsv.columns['at']).toEqual(expected);
    const lines = all.map((at) => JSON.stringify({ id: 'x', at, left: 1 }));
    const fromJson = await readFile(definition, 'times.jsonl', lines.join('\n'));
    expect(fromJson.columns['at']).toEqual(expected);
  });

  it('are, bit by bit, the numbers that JavaScript reads', async () => {
    const double = fc.double({ noNaN: true, noDefaultInfinity: true, min: 0.5, max: 3e38 });
    const numbers = fc.sample(double, { numRuns: 5_000, seed: 11 });
    const rows = numbers.map((number) => `x,,,${number},,,1`);
    const fromCsv = await readFile(definition, 'numbers.csv', csvOf(rows));
    expect(fromCsv.columns['price']).toEqual(numbers);
    const lines = numbers.map((price) => JSON.stringify({ id: 'x', price, left: 1 }));
    const fromJson = await readFile(definition, 'numbers.jsonl', lines.join('\n'));
    expect(fromJson.columns['price']).toEqual(numbers);
  });

  it('are the instants of Parquet, with a zone and without', async () => {
    const instants = ['2001-03-25 02:30:00.123456', '1969-12-31 23:59:59.999999', '2024-02-29'];
    for (const type of ['TIMESTAMP', 'TIMESTAMPTZ', 'TIMESTAMP_NS', 'VARCHAR']) {
      const values = instants.map((text) => `('${text}'::${type})`).join(', ');
      const content = await parquetOf(
        `SELECT 'x' AS id, v AS "at", 1 AS count, 1.0 AS price, 'a' AS kind, true AS paid, 1 AS "left"
         FROM (VALUES ${values}) t(v)`,
      );
      const read = await readFile(definition, 'instants.parquet', content);
      expect(read.columns['at'], type).toEqual(instants.map((text) => timestampMicros(text)));
    }
  });

  it('break exactly the rules that a loop over the rows says they break', async () => {
    const cell = {
      count: fc.oneof(
        fc.integer({ min: -8, max: 8 }).map(String),
        fc.constantFrom('', '1.0', '1.5', 'x', '9007199254740993'),
      ),
      price: fc.oneof(
        fc.constantFrom(
          '',
          '0.4',
          '0.5',
          '1e2',
          '.5',
          '5.',
          '-1',
          '1,5',
          'abc',
          '1_0',
          '0x1',
          ' 2 ',
        ),
        fc.integer().map(String),
      ),
      kind: fc.constantFrom('a', "b's", 'c', '', 'A'),
      paid: fc.constantFrom('true', 'False', '1', '0', '', 'yes'),
      left: fc.constantFrom('0', '1', '2', '', 'no'),
    };
    const rows = fc.array(fc.record(cell), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(rows, async (all) => {
        const quote = (text: string) => (text.includes(',') ? `"${text}"` : text);
        const lines = all.map(
          ({ count, price, kind, paid, left }) =>
            `x,,${count},${quote(price)},${kind},${paid},${left}`,
        );
        const read = await readFile(definition, 'rows.csv', csv(...lines));
        const expected = brokenRows(all);
        const found = read.findings.map(({ column, rule, count, examples }) => {
          expect(examples.length).toBe(Math.min(count, 20));
          return [`${column} ${rule}`, { count, rows: examples.map((example) => example.row) }];
        });
        expect(Object.fromEntries(found)).toEqual(
          Object.fromEntries(
            [...expected].map(([what, at]) => [what, { count: at.length, rows: at.slice(0, 20) }]),
          ),
        );
      }),
      { numRuns: 30 },
    );
  });

  it('keep the order of the file when there are many of them', async () => {
    const rows = Array.from({ length: 300_000 }, (_, i) => `row ${i},,,,,,${i % 2}`);
    const read = await readFile(definition, 'long.csv', csvOf(rows));
    expect(read.rows).toBe(300_000);
    expect(read.columns['id']?.every((id, i) => id === `row ${i}`)).toBe(true);
  });
});

describe('the database', () => {
  it('reads nothing outside its folder and loads no extension', async () => {
    await withDuckdb(async (database) => {
      await expect(database.rows("SELECT * FROM read_text('/etc/hostname')")).rejects.toThrow();
      await expect(database.run('INSTALL httpfs')).rejects.toThrow();
      await expect(database.run('SET enable_external_access = true')).rejects.toThrow();
    });
  });

  it('goes on beyond the memory it is given', async () => {
    const sum = await withDuckdb(async (database) => {
      await database.run(
        'CREATE TABLE many AS SELECT hash(i)::VARCHAR AS h, i FROM range(3000000) t(i) ORDER BY h',
      );
      const [row] = await database.rows('SELECT count(DISTINCT h) FROM many');
      return Number(row?.[0]);
    }, 150);
    expect(sum).toBe(3_000_000);
  });
});
