import { join } from 'node:path';
import {
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api';
import { withTemporaryFolder } from './temporary-folder.ts';

/** DuckDB could not do what it was asked, for a reason that lies not in the data. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** A file's content cannot be read; the message is DuckDB's first line, without the data. */
export class UnreadableDataError extends Error {
  override readonly name = 'UnreadableDataError';
}

/** Errors that data can cause. Whatever else goes wrong is a failure of this machine, or a mistake. */
const causedByData = /^(Invalid Input|Conversion|Invalid|Serialization|IO) Error: /;
const causedByMachine = /No space left|Could not write|Cannot open file|Too many open files/;

function translate(error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  const [firstLine = ''] = text.split('\n');
  if (causedByData.test(firstLine) && !causedByMachine.test(text)) {
    return new UnreadableDataError(firstLine.replace(causedByData, ''), { cause: error });
  }
  return new DatabaseError(`DuckDB: ${firstLine}`, { cause: error });
}

export const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
/** DuckDB takes a and A for the same name; a mark before each capital keeps them apart. */
export const caseMarked = (name: string): string => name.replaceAll(/[A-Z^]/g, '^$&');
export const caseUnmarked = (name: string): string => name.replaceAll(/\^(.)/g, '$1');

export const sqlName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A member of a JSON object, or one of a member (RFC 6901): names may have points, quotes and brackets. */
export const jsonPointer = (names: readonly string[]): string =>
  names.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** The columns of one chunk of rows, in the order of the query. */
export interface Chunk {
  readonly rows: number;
  readonly columns: readonly (readonly DuckDBValue[])[];
}

/** A database of a temporary folder, which it does not reach out of: no network, no extensions. */
export class DuckdbDatabase {
  readonly folder: string;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  constructor(folder: string, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.folder = folder;
    this.#instance = instance;
    this.#connection = connection;
  }

  /** @throws UnreadableDataError @throws DatabaseError */
  async run(sql: string): Promise<void> {
    try {
      await this.#connection.run(sql);
    } catch (error) {
      throw translate(error);
    }
  }

  /** All rows of a small result. @throws UnreadableDataError @throws DatabaseError */
  async rows(sql: string): Promise<DuckDBValue[][]> {
    try {
      return await (await this.#connection.runAndReadAll(sql)).getRows();
    } catch (error) {
      throw translate(error);
    }
  }

  /** The rows of a result of any size, about 2,000 at a time, in its order. */
  async *chunks(sql: string): AsyncGenerator<Chunk> {
    for await (const chunk of this.dataChunks(sql)) {
      yield { rows: chunk.rowCount, columns: chunk.getColumns() };
    }
  }

  /** The same as DuckDB has them. The next ones are read while these are used. */
  async *dataChunks(sql: string): AsyncGenerator<DuckDBDataChunk> {
    // A connection of its own, because the next statement on a connection ends the result before.
    const connection = await this.#instance.connect();
    let next: Promise<DuckDBDataChunk | null> | undefined;
    try {
      const result = await connection.stream(sql);
      next = result.fetchChunk();
      for (;;) {
        const chunk = await next;
        if (!chunk || chunk.rowCount === 0) return;
        next = result.fetchChunk();
        yield chunk;
      }
    } catch (error) {
      throw translate(error);
    } finally {
      // Who stops in the middle leaves one that is being read.
      await next?.catch(() => undefined);
      connection.closeSync();
    }
  }

  /** Appends rows, at most 2,048 at a time, to a table whose columns have the types given. */
  async appender(table: string, types: readonly DuckDBType[]) {
    const appender = await this.#connection.createAppender(table);
    const append = (rows: number, fill: (chunk: DuckDBDataChunk) => void): void => {
      const chunk = DuckDBDataChunk.create(types, rows);
      fill(chunk);
      appender.appendDataChunk(chunk);
    };
    return {
      append(columns: readonly (readonly DuckDBValue[])[], rows: number): void {
        append(rows, (chunk) => chunk.setColumns(columns));
      },
      /** The same for who fills DuckDB's own vectors. */
      appendFilled: append,
      close(): void {
        appender.flushSync();
        appender.closeSync();
      },
    };
  }
}

const settings = (folder: string, memoryMb: number, threads?: number): string[] => [
  `memory_limit = '${memoryMb}MB'`,
  ...(threads === undefined ? [] : [`threads = ${threads}`]),
  `temp_directory = ${sqlText(join(folder, 'spill'))}`,
  "TimeZone = 'UTC'",
  'preserve_insertion_order = true',
  `allowed_directories = [${sqlText(`${folder}/`)}]`,
  'enable_external_access = false',
  'lock_configuration = true',
];

/**
 * Gives a database on disk to `use`, in a temporary folder that is gone afterwards. Rows beyond the
 * memory given are kept on disk.
 * @param threads as many as there are processors, unless given
 */
export function withDuckdb<T>(
  use: (database: DuckdbDatabase) => Promise<T>,
  memoryMb = 1_024,
  threads?: number,
): Promise<T> {
  return withTemporaryFolder(async (folder) => {
    const instance = await DuckDBInstance.create(join(folder, 'tables.duckdb'), {
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    try {
      const connection = await instance.connect();
      try {
        for (const setting of settings(folder, memoryMb, threads))
          await connection.run(`SET ${setting}`);
        return await use(new DuckdbDatabase(folder, instance, connection));
      } finally {
        connection.closeSync();
      }
    } finally {
      instance.closeSync();
    }
  });
}
