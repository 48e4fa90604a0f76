import {
  applyEntry,
  entryInForce,
  type LedgerDraft,
  type LedgerState,
  nextEntry,
} from '../core/delivery/ledger.ts';
import type { LedgerEntry, LedgerHead } from '../core/delivery/ledger-entry.ts';
import type { Decision, Unchanged } from '../core/delivery/operator-decisions.ts';
import { backOff, dynamodbTable, type TableOptions } from './dynamodb-table.ts';
import { ledgerPk, ledgerRecords } from './serving-records.ts';

const appendAttempts = 60;

const entryKey = (model: string, sequence: number) => ({
  pk: ledgerPk(model),
  sk: `ENTRY#${String(sequence).padStart(10, '0')}`,
});

/** So many others appended at the same time that this entry did not find its place. */
export class LedgerContentionError extends Error {
  override readonly name = 'LedgerContentionError';
}

/** What became of a decision; `before` is the head that its entry follows. */
export type Decided<Refusal> =
  | { readonly outcome: 'appended'; readonly entry: LedgerEntry; readonly before: LedgerHead }
  | Unchanged<Refusal>;

/** The deployment ledgers: append-only, strictly ordered. Every read is strongly consistent. */
export function dynamodbLedger(options: TableOptions) {
  const table = dynamodbTable(options);
  const { head, entries } = ledgerRecords(table);

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

  /**
   * Does what is decided about the ledger as it is. Where another entry came in between, it is decided
   * anew about what is there then, so that no decision is carried out on a ledger that it was not about.
   * @throws LedgerContentionError
   */
  async function decide<Refusal>(
    model: string,
    judge: (ledger: LedgerState) => Decision<Refusal>,
  ): Promise<Decided<Refusal>> {
    for (let attempt = 0; attempt < appendAttempts; attempt += 1) {
      // The head first: an entry that comes between the two reads makes the condition fail.
      const before = await head(model);
      const decision = judge({ head: before, entries: await entries(model) });
      if (!('draft' in decision)) return decision;
      const entry = nextEntry(before, decision.draft);
      if (await place(before, entry)) return { outcome: 'appended', entry, before };
      await backOff(attempt);
    }
    throw new LedgerContentionError(
      `the ledger of ${model} took no entry in ${appendAttempts} attempts; try again`,
    );
  }

  return {
    /** Sequence 0 and no version for a model without an entry. */
    head,

    /** In their order, oldest first. */
    entries,

    decide,

    /**
     * Appends an entry, unless one that does the same is already there: then that one is returned.
     * @throws LedgerContentionError
     */
    async append(draft: LedgerDraft): Promise<LedgerEntry> {
      const decided = await decide(draft.model, (ledger): Decision => {
        const existing = entryInForce(ledger, draft);
        return existing ? { outcome: 'in_force', entry: existing } : { outcome: 'append', draft };
      });
      return decided.entry;
    },
  };
}
export type DynamodbLedger = ReturnType<typeof dynamodbLedger>;
