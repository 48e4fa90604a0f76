import { DOUBLE, INTEGER, VARCHAR } from '@duckdb/node-api';
import { type DuckdbDatabase, jsonPointer, sqlText } from './duckdb-database.ts';
import { typedValue } from './duckdb-typed-values.ts';

/** A label of a file, in the form it is joined in. */
export interface LabelToJoin {
  readonly predictionId: string | null;
  /** The entity key's value as text. */
  readonly entity: string | null;
  /** Microseconds, UTC. */
  readonly eventTime: number | null;
  /** JSON. */
  readonly label: string;
  /** ISO 8601, UTC, with milliseconds: the newest label of a prediction is its label. */
  readonly receivedAt: string;
}

/** A prediction with its newest label. */
export interface JoinedLine {
  /** Number of the hour, as `addPredictions` was told it. */
  readonly hour: number;
  /** Of the prediction log. */
  readonly line: string;
  /** JSON. */
  readonly label: string;
}

const fields = ['predictionId', 'model', 'predictedAt', 'entityKey', 'purpose'] as const;

/**
 * Reads lines of the log whose labels are there; the same prediction may come more than once. One that was
 * asked for to compare is left out: a label by entity key would be about it instead of about the caller's.
 */
function insertPredictions(
  files: readonly string[],
  at: { readonly model: string; readonly hour: number },
  eventTime: string | undefined,
): string {
  const paths = [
    ...fields.map((name) => [name]),
    ...(eventTime === undefined ? [] : [['inputs', eventTime]]),
  ];
  const list = paths.map((path) => sqlText(jsonPointer(path))).join(', ');
  const read = files.map(sqlText).join(', ');
  const instant = (text: string) => typedValue('timestamp', 'text', text).value;
  const asOf = eventTime === undefined ? 'made' : `coalesce(${instant('event_time')}, made)`;
  // Most predictions have no label: what is about them is computed for the others only.
  return `INSERT INTO predictions
    SELECT ${at.hour}, n, id, made_at, made, ${asOf}, entity, line
    FROM (SELECT *, ${instant('made_at')} AS made FROM (
      SELECT n, line, found[1] AS id, found[2] AS model, found[3] AS made_at, found[4] AS entity,
        found[5] AS purpose, found[6] AS event_time
      FROM (SELECT n, line, json_extract_string(line, [${list}]) AS found
        FROM (SELECT row_number() OVER () AS n, CASE WHEN json_valid(line) THEN line END AS line
          FROM read_csv([${read}], columns = {'line': 'VARCHAR'}, delim = chr(1), quote = '',
            escape = '', header = false, auto_detect = false, max_line_size = 16777216))
        WHERE line IS NOT NULL))
      WHERE model = ${sqlText(at.model)} AND purpose IS NULL
        AND (id IN (SELECT prediction_id FROM wanted_ids) OR entity IN (SELECT entity FROM wanted_entities)))
    WHERE made IS NOT NULL`;
}

/**
 * Each label and the prediction it is about: the one it names, or the entity's latest one that was made
 * before the label came and, where it tells the time of the event, is for then or before.
 */
const matches = `CREATE TABLE matches AS
  SELECT l.file, l.n, p.id FROM labels l JOIN known p ON p.id = l.prediction_id
  UNION ALL
  SELECT file, n, id FROM (
    SELECT l.file, l.n, p.id FROM labels l JOIN known p ON p.entity = l.entity
    WHERE l.prediction_id IS NULL AND p.made_at <= l.received_at
      AND (l.event_time IS NULL OR p.as_of <= l.event_time)
    QUALIFY row_number() OVER (PARTITION BY l.file, l.n
      ORDER BY CASE WHEN l.event_time IS NULL THEN p.made ELSE p.as_of END DESC, p.made DESC, p.id DESC) = 1)`;

const newest = `SELECT k.hour, k.line, l.label
  FROM matches m JOIN labels l ON l.file = m.file AND l.n = m.n JOIN known k ON k.id = m.id
  QUALIFY row_number() OVER (PARTITION BY k.id
    ORDER BY l.received_at DESC, l.name DESC, l.n DESC) = 1
  ORDER BY k.hour, k.id`;

/**
 * Joins labels with the prediction log: first all labels, then all predictions, then the result. It is a
 * function of both, whatever their order and however often the same comes.
 * @param eventTime the column of the inputs that tells the time a prediction is for
 */
export async function labelJoin(
  database: DuckdbDatabase,
  model: string,
  eventTime: string | undefined,
) {
  await database.run(`CREATE TABLE labels (file INTEGER, name VARCHAR, n INTEGER, prediction_id VARCHAR,
    entity VARCHAR, event_time DOUBLE, label VARCHAR, received_at VARCHAR)`);
  await database.run(`CREATE TABLE predictions (hour INTEGER, n BIGINT, id VARCHAR,
    made_at VARCHAR, made DOUBLE, as_of DOUBLE, entity VARCHAR, line VARCHAR)`);
  await database.run(
    `CREATE VIEW wanted_ids AS SELECT DISTINCT prediction_id FROM labels WHERE prediction_id IS NOT NULL`,
  );
  await database.run(
    `CREATE VIEW wanted_entities AS SELECT DISTINCT entity FROM labels WHERE entity IS NOT NULL`,
  );
  const types = [INTEGER, VARCHAR, INTEGER, VARCHAR, VARCHAR, DOUBLE, VARCHAR, VARCHAR];
  let files = 0;
  return {
    /** The labels of a file; answers the number that `matched` tells of. */
    async addLabels(name: string, labels: readonly LabelToJoin[]): Promise<number> {
      const file = files;
      files += 1;
      const appender = await database.appender('labels', types);
      for (let from = 0; from < labels.length; from += 2_048) {
        const some = labels.slice(from, from + 2_048);
        appender.append(
          [
            some.map(() => file),
            some.map(() => name),
            some.map((_, i) => from + i),
            some.map(({ predictionId }) => predictionId),
            some.map(({ entity }) => entity),
            some.map(({ eventTime: time }) => time),
            some.map(({ label }) => label),
            some.map(({ receivedAt }) => receivedAt),
          ],
          some.length,
        );
      }
      appender.close();
      return file;
    },

    /**
     * An hour of the prediction log, once: its files in the database's folder. Lines that are no records are
     * left out.
     */
    async addPredictions(files: readonly string[], hour: number): Promise<void> {
      if (files.length === 0) return;
      await database.run(insertPredictions(files, { model, hour }, eventTime));
    },

    /** Joins what was added. */
    async join(): Promise<void> {
      // The log is delivered at least once.
      await database.run(`CREATE TABLE known AS SELECT * FROM predictions
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY hour, n) = 1`);
      await database.run('DROP TABLE predictions');
      await database.run(matches);
    },

    /** How many labels of each file have their prediction. */
    async matched(): Promise<ReadonlyMap<number, number>> {
      const rows = await database.rows('SELECT file, count(*) FROM matches GROUP BY file');
      return new Map(rows.map(([file, count]) => [Number(file), Number(count)]));
    },

    /** Labelled predictions by hour and id. */
    async *lines(): AsyncGenerator<JoinedLine> {
      for await (const { rows, columns } of database.chunks(newest)) {
        for (let row = 0; row < rows; row += 1) {
          yield {
            hour: Number(columns[0]?.[row]),
            line: String(columns[1]?.[row]),
            label: String(columns[2]?.[row]),
          };
        }
      }
    },
  };
}
