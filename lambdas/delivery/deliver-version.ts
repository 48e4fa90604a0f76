import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import type { LedgerDraft } from '../../core/delivery/ledger.ts';
import { deliver } from '../../core/delivery/operator-decisions.ts';
import type { PromoteVersionResult } from './promote-version.contract.ts';
import type { StageVersionResult } from './stage-version.contract.ts';

interface Delivery {
  readonly model: string;
  readonly runId: string;
  readonly version: number;
}

const draftOf = (
  { model, runId, version }: Delivery,
  state: 'staged' | 'live',
  reason: string,
): LedgerDraft => ({
  model,
  state,
  version,
  reason,
  by: 'pipeline',
  runId,
  at: new Date().toISOString(),
});

/** Why a run ends without its version going live, where people decided so meanwhile. */
async function enter(ledger: DynamodbLedger, draft: LedgerDraft) {
  const decided = await ledger.decide(draft.model, (found) => deliver(found, draft));
  if (decided.outcome !== 'refused') return { decided };
  const { model, version } = draft;
  const { at, by, reason } = decided.entry;
  return decided.why === 'retired'
    ? {
        instead: 'awaiting_approval' as const,
        reasons: [
          `${model} is retired since ${at} by ${by} (${reason}); \`slipway approve ${model} ${version}\` brings it back with this version`,
        ],
      }
    : {
        instead: 'rejected' as const,
        reasons: [
          `version ${version} was set aside at ${at} by ${by} (${reason}); \`slipway approve ${model} ${version}\` takes it all the same`,
        ],
      };
}

/** Stages a run's version; where a person approves, the run ends with that. */
export async function stageVersion(
  ledger: DynamodbLedger,
  approval: 'automatic' | 'manual',
  delivery: Delivery,
): Promise<StageVersionResult> {
  const manual = approval === 'manual';
  const reason = manual ? 'waits for approval' : 'loaded early, before it answers';
  const { decided, instead, reasons } = await enter(ledger, draftOf(delivery, 'staged', reason));
  if (instead) return { outcome: instead, reasons };
  const superseded = decided.outcome === 'appended' ? decided.before.staged : undefined;
  return {
    outcome: manual ? 'awaiting_approval' : 'staged',
    reasons:
      superseded === undefined || superseded === delivery.version
        ? []
        : [`version ${superseded}, which was staged before, is superseded`],
  };
}

/** Makes a run's version the one that answers. */
export async function promoteVersion(
  ledger: DynamodbLedger,
  delivery: Delivery,
): Promise<PromoteVersionResult> {
  const { instead, reasons } = await enter(ledger, draftOf(delivery, 'live', 'passed its gate'));
  return instead ? { outcome: instead, reasons } : { outcome: 'live', reasons: [] };
}
