import { emptyHead } from '../core/delivery/ledger.ts';
import { LedgerEntry, LedgerHead } from '../core/delivery/ledger-entry.ts';
import { ModelVersionNotFoundError } from '../core/registry/errors.ts';
import { ModelVersion } from '../core/registry/records.ts';
import { versionKey } from './dynamodb-registry-keys.ts';
import type { TableReader } from './table-reader.ts';

export const ledgerPk = (model: string) => `LEDGER#${model}`;

/** What a deployment ledger is read for, by whatever reads the table. */
export const ledgerRecords = (table: TableReader) => ({
  /** Sequence 0 and no version for a model without an entry. */
  head: async (model: string): Promise<LedgerHead> =>
    (await table.get(
      { pk: ledgerPk(model), sk: 'HEAD' },
      LedgerHead,
      `the ledger head of ${model}`,
    )) ?? emptyHead(model),

  /** In their order, oldest first. */
  entries: (model: string): Promise<LedgerEntry[]> =>
    table.list(
      { pk: ledgerPk(model), prefix: 'ENTRY#' },
      LedgerEntry,
      `a ledger entry of ${model}`,
    ),
});

/** The registry's record of a version. @throws ModelVersionNotFoundError */
export async function versionRecord(
  table: TableReader,
  model: string,
  version: number,
): Promise<ModelVersion> {
  const found = await table.get(
    versionKey(model, version),
    ModelVersion,
    `version ${version} of ${model}`,
  );
  if (!found) throw new ModelVersionNotFoundError(model, version);
  return found;
}
