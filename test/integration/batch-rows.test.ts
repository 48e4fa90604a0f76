import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readBatchFile } from '../../adapters/duckdb-batch-file.ts';
import { batchShard } from '../../adapters/duckdb-batch-rows.ts';
import { type DuckdbDatabase, sqlText, withDuckdb } from '../../adapters/duckdb-database.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import type { RowErrors, ShardRange } from '../../core/inference/files/batch-documents.ts';
import { predict } from '../../core/inference/protocols/v1.ts';
import { assembleVersion } from '../../core/inference/versions/load-version.ts';
import type { LoadedVersion, ModelInput } from '../../core/inference/versions/loaded-version.ts';
import { columnsSignature, columnsSpec } from '../builders/columns-version.ts';
import { modelVersion } from '../builders/model-version.ts';
import { asCsv, asLines } from './written-files.ts';

const graph = { weights: [0.01, -0.2], bias: 0.5 };
const { record, objects } = modelVersion(3, graph);
const loading = assembleVersion({
  model: record.model,
  version: record.version,
  read: async (name) => objects.get(`${record.artifactsPrefix}${name}`) as Buffer,
  createSession: createModelSession,
});

interface Scored {
  readonly rows: number;
  readonly predictions: ReadonlyMap<number, number>;
  readonly errors: readonly RowErrors[];
  readonly columns: readonly string[];
  readonly written: readonly (readonly unknown[])[];
}

async function scoreRange(
  database: DuckdbDatabase,
  version: LoadedVersion,
  file: { path: string; isTyped: boolean },
  range: ShardRange,
): Promise<Omit<Scored, 'rows'>> {
  const shard = await batchShard(database, file, range, version);
  for await (const rows of shard.rows()) {
    shard.append(rows, (await version.session.run(rows.input)).predictions);
  }
  const path = await shard.finish(version.version, 'id');
  const errors: RowErrors[] = [];
  for await (const error of shard.errors()) errors.push(error);
  const relation = `read_parquet(${sqlText(path)})`;
  const columns = (await database.rows(`DESCRIBE SELECT * FROM ${relation}`)).map(([name]) =>
    String(name),
  );
  const written = await database.rows(`SELECT * FROM ${relation}`);
  const at = (name: string) => columns.indexOf(name);
  const predictions = new Map(
    written.map((row) => [Number(row[at('__row')]), Number(row[at('prediction')])]),
  );
  return { predictions, errors, columns, written };
}

/** Reads and scores a file as the functions do, in one shard. */
async function scoreFile(
  name: string,
  content: string | ((database: DuckdbDatabase, path: string) => Promise<void>),
  range?: ShardRange,
): Promise<Scored | { readonly reasons: readonly string[] }> {
  const version = await loading;
  return withDuckdb(async (database) => {
    const path = join(database.folder, 'input');
    if (typeof content === 'string') await writeFile(path, content);
    else await content(database, path);
    const file = await readBatchFile(database, { path, name }, version.signature);
    if ('reasons' in file) return file;
    const rowsFile = { path: file.typedRows ?? path, isTyped: file.typedRows !== undefined };
    const whole = { first: 1, last: file.last };
    return { rows: file.rows, ...(await scoreRange(database, version, rowsFile, range ?? whole)) };
  });
}

async function scored(...of: Parameters<typeof scoreFile>): Promise<Scored> {
  const result = await scoreFile(...of);
  if ('reasons' in result) throw new Error(result.reasons.join('; '));
  return result;
}

const parcels = Array.from({ length: 5_000 }, (_, i) => ({
  parcel_id: `P${i}`,
  length: (i * 7) % 300,
  items: i % 5 === 0 ? null : i % 11,
}));

async function asEndpoint(rows: readonly object[]): Promise<Map<number, number>> {
  const version = await loading;
  const answers = new Map<number, number>();
  for (const [i, row] of rows.entries()) {
    const body = JSON.stringify({ instances: [row] });
    const { reply } = await predict(version, { body, requestId: 'r' });
    answers.set(i + 1, Number(reply.predictions[0]));
  }
  return answers;
}

const asParquet = (rows: readonly object[]) => async (database: DuckdbDatabase, path: string) => {
  const lines = join(database.folder, 'rows.jsonl');
  await writeFile(lines, asLines(rows));
  await database.run(
    `COPY (SELECT * FROM read_json(${sqlText(lines)}, format = 'newline_delimited'))
     TO ${sqlText(path)} (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  );
};

describe('the rows of a batch', () => {
  test('have in every form of file the bits that the endpoint gives', async () => {
    const right = await asEndpoint(parcels);
    const csv = asCsv(parcels.map((row) => ({ ...row, items: row.items ?? '' })));
    expect((await scored('a.csv', csv)).predictions).toEqual(right);
    expect((await scored('a.jsonl', asLines(parcels))).predictions).toEqual(right);
    const parquet = await scored('a.parquet', asParquet(parcels));
    expect(parquet.predictions).toEqual(right);
    expect(parquet.errors).toEqual([]);
    expect(parquet.written.map((row) => row[0])).toEqual(parcels.map((row) => row.parcel_id));
  });

  test('of a range are those rows alone, by their numbers in the file', async () => {
    const right = await asEndpoint(parcels.slice(0, 3_100));
    const range = { first: 2_001, last: 3_100 };
    const wanted = new Map([...right].filter(([row]) => row > 2_000));
    expect((await scored('a.parquet', asParquet(parcels), range)).predictions).toEqual(wanted);
    expect((await scored('a.jsonl', asLines(parcels), range)).predictions).toEqual(wanted);
  });

  test('that are wrong are apart, with what the endpoint would say, and the others are scored', async () => {
    const rows = [
      { parcel_id: 'a', length: 10, items: 1 },
      { parcel_id: 'b', length: null, items: 1 },
      { parcel_id: 'c', length: 400, items: 1 },
      { parcel_id: 'd', length: 10, items: 1.5 },
      { parcel_id: 'e', length: 20, items: null },
    ];
    const errors = [
      {
        row: 2,
        problems: ['length: must not be null; send a finite number (received null)'],
      },
      { row: 3, problems: ['length: must be at most 300 (received 400)'] },
      {
        row: 4,
        problems: ['items: send an integer between -(2^53 - 1) and 2^53 - 1 (received "1.5")'],
      },
    ];
    for (const one of [
      await scored('a.jsonl', asLines(rows)),
      await scored('a.parquet', asParquet(rows)),
    ]) {
      expect(one.errors).toEqual(errors);
      expect([...one.predictions.keys()]).toEqual([1, 5]);
    }
  });

  test('whose form is broken count as rows, and those after them keep their numbers', async () => {
    const csv = 'length,items\n10,1\n20\n30,1,7,7\n40,1\n';
    const one = await scored('a.csv', csv);
    expect(one.rows).toBe(4);
    expect(one.errors.map(({ row }) => row)).toEqual([2, 3]);
    expect([...one.predictions.keys()]).toEqual([1, 4]);
    expect(one.predictions.get(4)).toBe((await asEndpoint([{ length: 40, items: 1 }])).get(1));
    const lines = await scored('a.jsonl', '{"length": 10}\n[]\n\n{"length": 20}\n');
    expect(lines.errors).toEqual([
      { row: 2, problems: ['the line is not one JSON object; correct its form'] },
    ]);
    expect([...lines.predictions.keys()]).toEqual([1, 4]);
  });

  test('keep what the model does not know, and lose what an earlier batch predicted', async () => {
    const csv = 'order,length,items,prediction\n7,10,1,0.9\n8,20,,0.8\n';
    const one = await scored('a.csv', csv);
    expect(one.columns).toEqual([
      'order',
      'length',
      'items',
      'prediction',
      'prediction_id',
      'model_version',
      '__row',
    ]);
    expect(one.written.map((row) => row.slice(0, 3))).toEqual([
      ['7', 10, 1n],
      ['8', 20, null],
    ]);
    expect(one.written.map((row) => row.slice(4))).toEqual([
      ['id-0', 3, 1n],
      ['id-1', 3, 2n],
    ]);
  });

  test('have beside them what a container says of each, however many come at a time', async () => {
    const rows = Array.from({ length: 5_000 }, (_, i) => ({ 'Length (cm)': i }));
    const says = (length: number) => (length % 3 === 0 ? null : { rest: length % 3 });
    const written = await withDuckdb(async (database) => {
      const path = join(database.folder, 'input.parquet');
      await asParquet(rows)(database, path);
      const range = { first: 1, last: rows.length };
      const asked = { signature: columnsSignature('parcel', 'container'), spec: columnsSpec() };
      const shard = await batchShard(database, { path, isTyped: false }, range, asked);
      for await (const some of shard.rows()) {
        const { columns } = some.input as Extract<ModelInput, { kind: 'columns' }>;
        const lengths = Array.from(columns['Length (cm)'] as number[]);
        shard.append(some, Float32Array.from(lengths), lengths.map(says));
      }
      const from = `read_parquet(${sqlText(await shard.finish(1, 'id'))})`;
      return database.rows(`SELECT prediction, prediction_details FROM ${from} ORDER BY __row`);
    });
    const right = rows.map((row) => [row['Length (cm)'], says(row['Length (cm)'])]);
    const found = written.map(([number, said]) => [number, said ? JSON.parse(String(said)) : null]);
    expect(found).toEqual(right);
  });

  test.each([
    ['a.csv', 'items\n1\n', 'the file has no column length but items; add it'],
    ['a.csv', '', 'the file is empty'],
    ['a.csv', 'length,items\n', 'the file has no rows'],
    ['a.xlsx', 'x', 'a.xlsx has a name of no known form'],
    ['a.csv', 'length,Length\n1,2\n', 'the file has the column Length more than once'],
    ['a.parquet', 'no parquet at all', 'the file cannot be read'],
  ])('of %s with %j are not scored: %s', async (name, content, reason) => {
    expect(await scoreFile(name, content)).toEqual({
      reasons: [expect.stringContaining(reason)],
    });
  });
});
