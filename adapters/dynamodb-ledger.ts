import {
  applyEntry,
  emptyHead,
  entryInForce,
  type LedgerDraft,
  liveAt,
  nextEntry,
} from '../core/delivery/ledger.ts';
import { LedgerEntry, LedgerHead } from '../core/delivery/ledger-entry.ts';
import { backOff, dynamodbTable, type TableOptions } from './dynamodb-table.ts';

const appendAttempts = 60;

const ledgerPk = (model: string) => `LEDGER#${model}`;
const entryKey = (model: string, sequence: number) => ({
  pk: ledgerPk(model),
  sk: `ENTRY#${String(sequence).padStart(10, '0')}`,
});

/** So many others appended at the same time that this entry did not find its place. */
export class LedgerContentionError extends Error {
  override readonly name = 'LedgerContentionError';
}

/** The deployment ledgers: append-only, strictly ordered. Every read is strongly consistent. */
export function dynamodbLedger(options: TableOptions) {
  const table = dynamodbTable(options);

  const head = async (model: string): Promise<LedgerHead> =>
    (await table.get(
      { pk: ledgerPk(model), sk: 'HEAD' },
      LedgerHead,
      `the ledger head of ${model}`,
    )) ?? emptyHead(model);

  const entries = (model: string): Promise<LedgerEntry[]> =>
    table.list(
      { pk: ledgerPk(model), prefix: 'ENTRY#' },
      LedgerEntry,
      `a ledger entry of ${model}`,
    );

  /** True where the entry is the next one after the head that was read. */
  const place = (before: LedgerHead, entry: LedgerEntry): Promise<boolean> =>
    table.transact([
      {
        Put: {
          TableName: table.name,
          Item: { ...entryKey(entry.model, entry.sequence), document: entry },
          ConditionExpression: 'attribute_not_exists(pk)',
        },
      },
      {
        Put: {
          TableName: table.name,
          Item: { pk: ledgerPk(entry.model), sk: 'HEAD', document: applyEntry(before, entry) },
          ...(before.sequence === 0
            ? { ConditionExpression: 'attribute_not_exists(pk)' }
            : {
                ConditionExpression: '#document.#sequence = :sequence',
                ExpressionAttributeNames: { '#document': 'document', '#sequence': 'sequence' },
                ExpressionAttributeValues: { ':sequence': before.sequence },
              }),
        },
      },
    ]);

  return {
    /** Sequence 0 and no version for a model without an entry. */
    head,

    /** In their order, oldest first. */
    entries,

    /**
     * Appends an entry, unless one that does the same is already there: then that one is returned.
     * @throws LedgerContentionError
     */
    async append(draft: LedgerDraft): Promise<LedgerEntry> {
      for (let attempt = 0; attempt < appendAttempts; attempt += 1) {
        // The head first: an entry that comes between the two reads makes the condition fail.
        const before = await head(draft.model);
        const existing = entryInForce(before, await entries(draft.model), draft);
        if (existing) return existing;
        const entry = nextEntry(before, draft);
        if (await place(before, entry)) return entry;
        await backOff(attempt);
      }
      throw new LedgerContentionError(
        `the ledger of ${draft.model} took no entry in ${appendAttempts} attempts; retry the run`,
      );
    },

    /** The version that answered at an instant (ISO 8601); undefined where none did. */
    liveAt: async (model: string, instant: string): Promise<number | undefined> =>
      liveAt(await entries(model), instant),
  };
}
export type DynamodbLedger = ReturnType<typeof dynamodbLedger>;
