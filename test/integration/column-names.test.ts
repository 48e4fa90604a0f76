// Columns of any name that a file's header may have, from a file to an answer.
import { readFile as readBytes } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { columnFile } from '../../adapters/duckdb-column-files.ts';
import { sqlName, sqlText, withDuckdb } from '../../adapters/duckdb-database.ts';
import { inputBatches } from '../../adapters/duckdb-feature-table.ts';
import { rawRows, rawRowsColumns, rawRowsFile } from '../../adapters/duckdb-raw-rows.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { buildSignature } from '../../core/features/build-signature.ts';
import { fitFeatures } from '../../core/features/fit-features.ts';
import type { RawValue } from '../../core/features/raw-values.ts';
import { modelInput } from '../../core/inference/model-input.ts';
import { instancesParser } from '../../core/inference/parse-instances.ts';
import { Signature } from '../../core/inference/signature.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { aColumnsDefinition, aModelDefinition } from '../builders/model-definition.ts';
import { columnsModel, columnsPrediction, type GraphColumn } from '../builders/onnx-model.ts';
import { readFile } from './typed-tables.ts';
import { asCsv, asLines } from './written-files.ts';

/** Names as people write them, and as nobody should. */
const oddNames = [
  'Monthly Charges ($)',
  'total.amount',
  'a"b',
  "it's",
  'x[0]',
  '$.id',
  '~/path~1',
  'a,b;c',
  '^Caret^A',
  'Größe',
  '数量',
  'select',
  'n',
  'is_row',
  'c0',
  'label',
  'row_number',
  'toString',
  '*',
  'a\\b',
  '{curly}',
  '100%',
  '__label2',
];
const anyName = fc.oneof(
  fc.constantFrom(...oddNames),
  fc
    .string({
      unit: fc.constantFrom(...'aAbB^~/."\'$[]{}()-_ ,;|%#@é*\\'),
      minLength: 1,
      maxLength: 8,
    })
    .filter((name) => name.trim() === name),
);
const names = fc.uniqueArray(anyName, {
  minLength: 2,
  maxLength: 6,
  selector: (name) => name.toLowerCase(),
});

/** A model of columns with these names: texts, but for a number, the second, and the label. */
function definitionOf(columns: readonly string[]): ModelDefinition {
  const taken = columns.map((name, i) => [name, { type: i === 1 ? 'number' : 'string' }] as const);
  return aColumnsDefinition([...columns], {
    data: {
      columns: { ...Object.fromEntries(taken), 'the label': { type: 'integer', allowed: [0, 1] } },
      label: 'the label',
    },
    evaluation: {
      ...aModelDefinition().evaluation,
      holdout: { by: 'group', column: columns[0] ?? '', fraction: 0.5 },
    },
  });
}
const rowsOf = (columns: readonly string[]): Record<string, string | number>[] =>
  [0, 1, 2].map((row) => ({
    ...Object.fromEntries(columns.map((name, i) => [name, i === 1 ? row + 0.5 : `${name} ${row}`])),
    'the label': row % 2,
  }));

const asParquet = (rows: readonly Record<string, string | number>[]): Promise<Buffer> =>
  withDuckdb(async (database) => {
    const path = join(database.folder, 'made.parquet');
    const selects = rows.map((row) =>
      Object.entries(row)
        .map(([name, value]) => {
          const sql = typeof value === 'string' ? sqlText(value) : `CAST(${value} AS DOUBLE)`;
          return `${sql} AS ${sqlName(name)}`;
        })
        .join(', '),
    );
    const union = selects.map((select) => `SELECT ${select}`).join(' UNION ALL ');
    await database.run(`COPY (${union}) TO ${sqlText(path)} (FORMAT parquet)`);
    return readBytes(path);
  });

async function allOf<T>(found: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of found) all.push(one);
  return all;
}

const columnsOf = (rows: readonly Record<string, RawValue>[], wanted: readonly string[]) =>
  Object.fromEntries(wanted.map((name) => [name, rows.map((row) => row[name] ?? null)]));

describe('a column of any name', () => {
  it('is read from every form of file', async () => {
    await fc.assert(
      fc.asyncProperty(names, async (columns) => {
        const definition = definitionOf(columns);
        const rows = rowsOf(columns);
        const expected = columnsOf(rows, [...columns, 'the label']);
        const files = { csv: asCsv(rows), jsonl: asLines(rows), parquet: await asParquet(rows) };
        for (const [form, content] of Object.entries(files)) {
          const read = await readFile(definition, `dropped.${form}`, content);
          expect(read.findings).toEqual([]);
          expect(read.columns).toEqual(expected);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('is the same in the tables of the pipeline', async () => {
    await fc.assert(
      fc.asyncProperty(names, async (columns) => {
        const definition = definitionOf(columns);
        const raw = columnsOf(rowsOf(columns), columns);
        const spec = fitFeatures(definition, 'a'.repeat(64), raw);
        await withDuckdb(async (database) => {
          const trained = await columnFile(database, 'trained', spec.columns ?? []);
          trained.append({ columns: raw, picked: [2, 0], labels: [1, 0], numbers: [2, 0] });
          const batches = await allOf(inputBatches(database, [await trained.finish()], spec));
          const picked = Object.entries(raw).map(([name, [a, , c]]) => [name, [c, a]]);
          expect(batches.map(({ input }) => input)).toEqual([
            { kind: 'columns', rows: 2, columns: Object.fromEntries(picked) },
          ]);
          const kept = await rawRowsFile(database, 'kept', spec.columns ?? []);
          kept.append(raw, [0, 1, 2]);
          const path = await kept.finish();
          expect(await rawRowsColumns(database, path)).toEqual(columns);
          const read = await allOf(rawRows(database, path, columns));
          expect(read.map((chunk) => chunk.columns)).toEqual([raw]);
        });
      }),
      { numRuns: 25 },
    );
  });

  it('is asked for under its name, and is an input of the graph', async () => {
    await fc.assert(
      fc.asyncProperty(names, async (columns) => {
        const definition = definitionOf(columns);
        const rows = rowsOf(columns);
        const spec = fitFeatures(definition, 'a'.repeat(64), columnsOf(rows, columns));
        const signature = Signature.parse(
          JSON.parse(JSON.stringify(buildSignature(definition, spec))),
        );
        const graph: GraphColumn[] = columns.map((name, i) =>
          i === 1
            ? { name, weight: 0.5 }
            : { name, points: { [`${name} 0`]: i, [`${name} 1`]: -i }, others: 0.1 },
        );
        const onnx = columnsModel(graph, -0.3);
        const session = await createModelSession({ runtime: 'onnx', onnx, spec, signature });
        const instances = rows.map(({ 'the label': _, ...sent }) => sent);
        const parsed = instancesParser(signature)(JSON.stringify({ instances }));
        const { predictions } = await session.run(modelInput(spec, parsed));
        await session.release();
        for (const [i, instance] of instances.entries()) {
          expect(predictions[i]).toBeCloseTo(columnsPrediction(graph, -0.3, instance), 5);
        }
      }),
      { numRuns: 25 },
    );
  });
});
