import { instancesOf, mostHoldoutInstances } from '../core/features/holdout-instances.ts';
import type { RawColumns, RawValue } from '../core/features/raw-values.ts';
import type { Signature } from '../core/inference/signature.ts';
import type { ModelDefinition } from '../core/model/define-model.ts';
import { readColumns } from '../core/model/features-section.ts';
import type { DuckdbDatabase } from './duckdb-database.ts';
import { rawRowsFile } from './duckdb-raw-rows.ts';

/**
 * What is kept of the holdout's raw rows, so that any version can answer them and slices can be made: all
 * but the label, and of the sensitive columns those that features read.
 */
export function keptColumns({
  data,
  features,
}: ModelDefinition): ModelDefinition['data']['columns'] {
  const read = new Set(readColumns(features));
  return Object.fromEntries(
    Object.entries(data.columns).filter(
      ([name, { sensitive }]) => name !== data.label && (!sensitive || read.has(name)),
    ),
  );
}

/** Takes the holdout's raw rows in: all of them for a file, the first of them as instances of requests. */
export async function holdoutKeeper(
  database: DuckdbDatabase,
  definition: ModelDefinition,
  { inputs }: Signature,
) {
  const kept = Object.entries(keptColumns(definition)).map(([name, column]) => ({
    ...column,
    name,
  }));
  const file = await rawRowsFile(database, 'holdout_rows', kept);
  const instances: Record<string, RawValue>[] = [];
  return {
    columns: kept.map(({ name }) => name),
    /** A chunk, and the places in it of the rows that are held out. */
    add(columns: RawColumns, holdout: readonly number[]): void {
      file.append(columns, holdout);
      const room = mostHoldoutInstances - instances.length;
      if (room > 0) instances.push(...instancesOf(inputs, columns, holdout.slice(0, room)));
    },
    instances,
    finish: file.finish,
  };
}
export type HoldoutKeeper = Awaited<ReturnType<typeof holdoutKeeper>>;
