import { join } from 'node:path';
import { BIGINT, FLOAT, VARCHAR } from '@duckdb/node-api';
import { rulesOfColumn } from '../core/datasets/cell-rules.ts';
import type { FeatureSpec } from '../core/features/feature-spec.ts';
import type { RawValue } from '../core/features/raw-values.ts';
import { mistypedProblem, valueCheck } from '../core/inference/check-value.ts';
import type { RowErrors, ShardRange } from '../core/inference/files/batch-documents.ts';
import { inRuns, type ScoringRows } from '../core/inference/files/rows-in-runs.ts';
import type { PredictionDetails } from '../core/inference/log/prediction-record.ts';
import type { Signature } from '../core/inference/signature.ts';
import type { Column } from '../core/model/column.ts';
import { batchColumns, carriedColumns } from './duckdb-batch-file.ts';
import { broken } from './duckdb-cell-rules.ts';
import { caseUnmarked, type DuckdbDatabase, sqlName, sqlText } from './duckdb-database.ts';
import { rowReader } from './duckdb-feature-reader.ts';
import { readRawFile } from './duckdb-raw-files.ts';
import {
  type Columns,
  columnSql,
  isNull,
  isOfOtherType,
  judgedRows,
  problemColumn,
  shownColumn,
  valueColumn,
} from './duckdb-typed-tables.ts';
import { bigIntegers, fill } from './duckdb-vectors.ts';

/** The file that a shard's rows are in, in the database's folder. */
export interface ShardFile {
  readonly path: string;
  /** Whether it is what was made of a text file. */
  readonly isTyped: boolean;
}

/** The view `shard` has of each row its number, what is wrong with its form, and the model's columns, judged. */
async function createView(
  database: DuckdbDatabase,
  { path, isTyped }: ShardFile,
  columns: Columns,
  { first, last }: ShardRange,
): Promise<string> {
  const parquet = `read_parquet(${sqlText(path)}`;
  if (!isTyped) {
    const relation = `(SELECT * FROM ${parquet}, file_row_number = true)
      WHERE file_row_number BETWEEN ${first - 1} AND ${last - 1})`;
    const raw = await readRawFile(database, { path, name: 'rows.parquet' }, Object.keys(columns));
    if ('unreadable' in raw) throw new Error(raw.unreadable.message);
    const rows = judgedRows({ ...raw, relation }, columns, 'file_row_number + 1');
    await database.run(
      `CREATE VIEW shard AS SELECT *, CAST(NULL AS VARCHAR) AS form FROM (${rows})`,
    );
    const carried = carriedColumns(raw.header).map((name) => `r.${name}`);
    return `SELECT ${[...carried, 'r.file_row_number + 1 AS "__n"'].join(', ')} FROM ${relation} AS r`;
  }
  const relation = `(SELECT * FROM ${parquet}) WHERE n BETWEEN ${first} AND ${last})`;
  const described = await database.rows(`DESCRIBE SELECT * FROM ${relation}`);
  const present = described.flatMap(([field]) =>
    String(field).startsWith('v_') ? caseUnmarked(String(field).slice(2)) : [],
  );
  // Of a column that the file does not have, what there would be of an empty one.
  const none = { relation, columns: new Map(), columnsAreOptional: true, header: [] };
  const absent = Object.entries(columns)
    .filter(([name]) => !present.includes(name))
    .flatMap(([name, column]) => columnSql(name, column, none).judged);
  await database.run(`CREATE VIEW shard AS SELECT ${['*', ...absent].join(', ')} FROM ${relation}`);
  const carried = new Set(carriedColumns(present));
  const select = present
    .filter((name) => carried.has(sqlName(name)))
    .map((name) => `${asStored(columns[name], valueColumn(name))} AS ${sqlName(name)}`);
  return `SELECT ${[...select, 'n AS "__n"'].join(', ')} FROM ${relation}`;
}

/** A value of a text file as a Parquet file has it. */
function asStored(column: Column | undefined, value: string): string {
  if (column?.type === 'integer') return `CAST(${value} AS BIGINT)`;
  if (column?.type !== 'timestamp') return value;
  return `make_timestamp(CAST(${value} AS BIGINT))`;
}

function problemsOf(
  columns: Columns,
  form: RawValue,
  judged: (name: string) => { value: RawValue; problem: number; shown: RawValue },
): string[] {
  if (form !== null) return [String(form)];
  const problems = Object.entries(columns).flatMap(([name, column]) => {
    const { value, problem, shown } = judged(name);
    const isRuled = column.minimum ?? column.maximum ?? column.allowed;
    if (problem === isOfOtherType) return [`${name}: ${mistypedProblem(column, String(shown))}`];
    if (problem !== isNull && (value === null || isRuled === undefined)) return [];
    const found = valueCheck(column)(problem === isNull ? null : value);
    return found === undefined ? [] : [`${name}: ${found}`];
  });
  return problems.length > 0 ? problems : ['the row breaks a rule of the model'];
}

// Without it each column is put into a dictionary of up to a fifth of its rows before that is given up.
const mostDictionaryWords = 8_192;

/** What a chunk of an appender holds. */
const rowsOfChunk = 2_048;

/** One shard of a batch, in a database: its rows, what is wrong with them, and their predictions. */
export async function batchShard(
  database: DuckdbDatabase,
  file: ShardFile,
  range: ShardRange,
  { signature, spec }: { readonly signature: Signature; readonly spec: FeatureSpec },
) {
  const columns = batchColumns(signature);
  const output = await createView(database, file, columns, range);
  const isBroken = Object.entries(columns)
    .flatMap(([name, column]) => rulesOfColumn(name, column))
    .map((rule) => `coalesce(${broken(rule, columns[rule.column])}, false)`);
  const isBad = ['form IS NOT NULL', ...isBroken].join(' OR ');
  const isContainer = signature.runtime === 'container';
  const details = isContainer ? ', details VARCHAR' : '';
  await database.run(`CREATE TEMP TABLE predictions (n BIGINT, prediction FLOAT${details})`);
  const appender = await database.appender('predictions', [
    BIGINT,
    FLOAT,
    ...(isContainer ? [VARCHAR] : []),
  ]);

  let appended = 0;
  async function* goodRows(): AsyncGenerator<ScoringRows> {
    const reader = await rowReader(database, spec, columns);
    const sql = `SELECT ${['n', ...reader.select].join(', ')} FROM shard WHERE NOT (${isBad})`;
    for await (const chunk of database.dataChunks(sql)) {
      // The numbers lie in the chunk, which is gone when the next one comes.
      yield { numbers: bigIntegers(chunk, 0).slice(), input: reader.input(chunk) };
    }
  }

  return {
    /** The rows that nothing is wrong with, as many at a time as are best run together. */
    rows(): AsyncGenerator<ScoringRows> {
      return inRuns(goodRows());
    },

    /** The others, with what is wrong with them as the endpoint tells it. */
    async *errors(): AsyncGenerator<RowErrors> {
      // Where each number of the range has its prediction there is no other row to look for.
      if (appended === range.last - range.first + 1) return;
      const names = Object.keys(columns);
      const of = names.flatMap((name) =>
        [valueColumn, problemColumn, shownColumn].map((f) => f(name)),
      );
      const sql = `SELECT ${['n', 'form', ...of].join(', ')} FROM shard WHERE ${isBad} ORDER BY n`;
      for await (const chunk of database.chunks(sql)) {
        const [numbers = [], forms = [], ...values] = chunk.columns as readonly RawValue[][];
        for (const [i, n] of numbers.entries()) {
          const judged = (name: string) => {
            const at = names.indexOf(name) * 3;
            const [value, problem, shown] = [0, 1, 2].map((k) => values[at + k]?.[i] ?? null);
            return { value: value ?? null, problem: Number(problem), shown: shown ?? null };
          };
          yield { row: Number(n), problems: problemsOf(columns, forms[i] ?? null, judged) };
        }
      }
    },

    append(
      { numbers }: ScoringRows,
      predictions: Float32Array,
      said?: readonly (PredictionDetails | null)[],
    ): void {
      for (let at = 0; at < numbers.length; at += rowsOfChunk) {
        const some = numbers.subarray(at, at + rowsOfChunk);
        appender.appendFilled(some.length, (chunk) => {
          fill(chunk, 0, some);
          fill(chunk, 1, predictions.subarray(at, at + rowsOfChunk));
          if (!isContainer) return;
          const details = Array.from(some, (_, i) => said?.[at + i] ?? null);
          chunk.setColumnValues(
            2,
            details.map((each) => (each ? JSON.stringify(each) : null)),
          );
        });
      }
      appended += numbers.length;
    },

    /** Writes what was appended beside the input's columns, in the input's order. Answers the path. */
    async finish(version: number, idPrefix: string): Promise<string> {
      appender.close();
      const path = join(database.folder, 'predictions.parquet');
      const more = isContainer ? ', p.details AS prediction_details' : '';
      await database.run(
        `COPY (SELECT r.* EXCLUDE ("__n"), p.prediction${more},
            ${sqlText(`${idPrefix}-`)} || (p.n - ${range.first}) AS prediction_id,
            CAST(${version} AS INTEGER) AS model_version, p.n AS "__row"
          FROM (${output}) AS r JOIN predictions AS p ON r."__n" = p.n)
         TO ${sqlText(path)} (FORMAT parquet, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT ${mostDictionaryWords})`,
      );
      return path;
    },
  };
}
export type BatchShard = Awaited<ReturnType<typeof batchShard>>;
