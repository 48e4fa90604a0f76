import * as z from 'zod';
import { RetrainingAlarm } from '../model/retraining-section.ts';
import { type LivePeriod, livePeriods } from './ledger.ts';
import type { LedgerEntry } from './ledger-entry.ts';

const Instant = z.string().describe('ISO 8601, UTC');

/** What a check saw of the version that was live when it looked. */
export const HealthRecord = z.strictObject({
  /** It answered at least one request of what the check looked at. */
  answered: z.boolean(),
  healthy: z.boolean(),
  reason: z.string().describe('why it is healthy or not, for people'),
  alarms: z
    .array(RetrainingAlarm)
    .optional()
    .describe('which alarms are about what the check found'),
  at: Instant.describe('when the check saw that the version was live; ISO 8601, UTC'),
});
export type HealthRecord = z.infer<typeof HealthRecord>;

/** How a version served, as the scheduled checks saw it. */
export const VersionHealth = z.strictObject({
  model: z.string(),
  version: z.int().positive(),
  /** In any record so far. */
  answered: z.boolean(),
  /** Oldest first, without those that are long past. */
  records: z.array(HealthRecord).nonempty(),
});
export type VersionHealth = z.infer<typeof VersionHealth>;

const recordsKept = 24;

/**
 * The health with one more record. Records come in the order of their time: one that is not newer than
 * the last, as when a check is delivered twice or late, changes nothing and gives back the same object.
 */
export function noteHealth(
  before: VersionHealth | undefined,
  { model, version }: Pick<VersionHealth, 'model' | 'version'>,
  record: HealthRecord,
): VersionHealth {
  const records = before?.records ?? [];
  const newest = records.at(-1);
  if (before && newest && record.at <= newest.at) return before;
  return {
    model,
    version,
    answered: (before?.answered ?? false) || record.answered,
    records: [...records.slice(1 - recordsKept), record] as VersionHealth['records'],
  };
}

/**
 * The alarms that every record there is kept of is about, once there are as many as are kept. CloudWatch tells
 * of a change of state alone: an alarm that a new version does not end is told no second time.
 */
export function lastingAlarms(
  health: VersionHealth | undefined,
): { readonly alarm: RetrainingAlarm; readonly since: string }[] {
  const { records } = health ?? { records: [] };
  const [first] = records;
  if (!first || records.length < recordsKept) return [];
  return RetrainingAlarm.options
    .filter((alarm) => records.every(({ alarms }) => alarms?.includes(alarm)))
    .map((alarm) => ({ alarm, since: first.at }));
}

/** The last record that was made while the version answered. */
const lastWhileLive = (health: VersionHealth | undefined, lives: readonly LivePeriod[]) =>
  health?.records.findLast(({ at }) =>
    lives.some(({ from, to }) => at >= from && (to === undefined || at < to)),
  );

/** What people decided against a version since it last went live; undefined where nothing. */
function decidedAgainst(
  entries: readonly LedgerEntry[],
  { began, ended, version }: LivePeriod,
): string | undefined {
  const tell = ({ at, by, reason }: LedgerEntry) => `at ${at} by ${by} (${reason})`;
  if (ended?.rolledBackFrom === version) return `it was rolled back from ${tell(ended)}`;
  const setAside = entries.findLast(
    (entry) =>
      entry.version === version && entry.state === 'rejected' && entry.sequence > began.sequence,
  );
  return setAside && `it was rejected ${tell(setAside)}`;
}

/**
 * Whether a version served healthily, and why: it answered, its last record while it was live is healthy,
 * and since it last went live it was neither rolled back from nor set aside.
 */
export function servedHealthily(
  entries: readonly LedgerEntry[],
  health: VersionHealth | undefined,
  version: number,
): { readonly healthy: boolean; readonly reason: string } {
  const lives = livePeriods(entries).filter((period) => period.version === version);
  const last = lives.at(-1);
  if (!last) return { healthy: false, reason: 'it was never live' };
  const against = decidedAgainst(entries, last);
  if (against !== undefined) return { healthy: false, reason: against };
  const record = lastWhileLive(health, lives);
  if (!record) return { healthy: false, reason: 'no check looked at it while it was live' };
  const { at, healthy, reason } = record;
  if (!healthy) {
    const forced = last.began.override ? 'it was forced by override, and ' : '';
    const text = `its last record while live, of ${at}, is unhealthy: ${reason}`;
    return { healthy: false, reason: `${forced}${text}` };
  }
  if (!health?.answered) return { healthy: false, reason: 'no check saw it answer a request' };
  return {
    healthy: true,
    reason: `it answered, and its last record while live, of ${at}, is healthy: ${reason}`,
  };
}
