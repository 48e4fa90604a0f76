import type { DuckDBDataChunk } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';

// Value by value DuckDB's API takes ten times as long: these are whole columns as they lie in memory.

const bytesOf = (chunk: DuckDBDataChunk, column: number, bytes: number): Uint8Array =>
  duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk.chunk, column), bytes);

/** A column of DOUBLE without NULL; it is there for as long as its chunk. */
export function doubles(chunk: DuckDBDataChunk, column: number): Float64Array {
  const { buffer, byteOffset } = bytesOf(chunk, column, chunk.rowCount * 8);
  return new Float64Array(buffer, byteOffset, chunk.rowCount);
}

/** A column of UINTEGER without NULL. */
export function unsigned(chunk: DuckDBDataChunk, column: number): Uint32Array {
  const { buffer, byteOffset } = bytesOf(chunk, column, chunk.rowCount * 4);
  return new Uint32Array(buffer, byteOffset, chunk.rowCount);
}

/** A column of BIGINT without NULL. */
export function bigIntegers(chunk: DuckDBDataChunk, column: number): BigInt64Array {
  const { buffer, byteOffset } = bytesOf(chunk, column, chunk.rowCount * 8);
  return new BigInt64Array(buffer, byteOffset, chunk.rowCount);
}

/** Fills a column of the same width. */
export function fill(
  chunk: DuckDBDataChunk,
  column: number,
  values: BigInt64Array | Float32Array,
): void {
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, column);
  const { buffer, byteOffset, byteLength } = values;
  duckdb.copy_data_to_vector(vector, 0, buffer as ArrayBuffer, byteOffset, byteLength);
}
