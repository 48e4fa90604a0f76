import type { LedgerEntry } from '../core/delivery/ledger-entry.ts';

/** When, why and by whom. */
export const because = ({ at, by, reason }: LedgerEntry): string =>
  `since ${at} (${reason}; by ${by})`;

/** What an entry of the ledger did, in a few words. */
export function deed({ override, rolledBackFrom, state, version }: LedgerEntry): string {
  if (state === 'retired') return `the model is retired; version ${version} was the last`;
  if (state === 'rejected') return `version ${version} was set aside`;
  if (state === 'staged') return `version ${version} is staged`;
  const forced = override ? ', forced: its gate had refused it' : '';
  const back = rolledBackFrom === undefined ? '' : `, rolled back from version ${rolledBackFrom}`;
  return `version ${version} is live${back}${forced}`;
}

/** What a person may do about a version that waits. */
export const approvalAdvice = (model: string, version: number): string[] => [
  `  \`slipway approve ${model} ${version}\` makes it live; \`slipway reject ${model} ${version} --reason "…"\` sets it aside`,
];
