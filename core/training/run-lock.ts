import * as z from 'zod';
import { RunTrigger } from '../registry/records.ts';

const Instant = z.string().describe('ISO 8601, UTC');

/**
 * The one lock of a model: whoever holds it is the only run of the model's pipeline. A run waits in
 * phase quiet for the drops that belong together; from phase running on, drops belong to the next run.
 */
export const RunLock = z.strictObject({
  model: z.string(),
  runId: z.string(),
  phase: z.enum(['quiet', 'running']),
  /** The input of the run's execution, kept so that a start that was interrupted can be repeated. */
  input: z.record(z.string(), z.unknown()),
  trigger: RunTrigger,
  acquiredAt: Instant,
  /** Drops are waited for until then; each one puts it off, unless the period is 0: then all is there. */
  quietUntil: Instant,
  quietSeconds: z.number().nonnegative(),
  /** A person asked for it, alone or among others: cooldown and minimum rows do not hold it back. */
  insists: z.boolean().default(false),
  /** When the run's execution was last known to exist; absent until it was started. */
  seenAt: Instant.optional(),
  /** The run that follows this one, because something was dropped or asked for meanwhile. */
  next: z
    .strictObject({
      runId: z.string(),
      trigger: RunTrigger,
      quietUntil: Instant,
      quietSeconds: z.number().nonnegative(),
      insists: z.boolean().default(false),
    })
    .optional(),
});
export type RunLock = z.infer<typeof RunLock>;

export type LockEvent =
  /** A drop or a person's wish. `runId` is the name of the run, should one come of it. */
  | {
      readonly kind: 'requested';
      readonly model: string;
      readonly runId: string;
      readonly trigger: RunTrigger;
      /** Nothing more is to come that belongs to it. */
      readonly settled: boolean;
      readonly quietSeconds: number;
    }
  /** A person's wish to go on with a run that failed, in a new one. */
  | {
      readonly kind: 'retried';
      readonly model: string;
      readonly runId: string;
      readonly trigger: RunTrigger;
      readonly input: Readonly<Record<string, unknown>>;
    }
  /** The execution of a run exists and goes on. */
  | { readonly kind: 'seen'; readonly runId: string }
  /** A run asks whether it may take its snapshot. */
  | { readonly kind: 'polled'; readonly runId: string }
  /** A run came to an end, whichever. */
  | { readonly kind: 'ended'; readonly runId: string };

/** What an event comes to, for the one who asked. */
export type LockAnswer =
  | { readonly outcome: 'started' | 'coalesced' | 'queued' | 'busy'; readonly runId: string }
  | { readonly outcome: 'settled' | 'waiting' | 'noted' | 'freed' | 'not_held' };

export interface LockDecision {
  readonly lock: RunLock | undefined;
  readonly answer: LockAnswer;
}

/** Drops put the start off by at most this many quiet periods. */
const quietPeriodsAtMost = 10;

const after = (now: string, seconds: number): string =>
  new Date(new Date(now).getTime() + seconds * 1_000).toISOString();
const earlier = (a: string, b: string): string => (a < b ? a : b);

type Of<Kind extends LockEvent['kind']> = Extract<LockEvent, { kind: Kind }>;

/**
 * What an event makes of a model's lock: the whole policy of starting runs. Pure; the same event
 * twice leaves the lock as after the first time, or puts the quiet period off. All times are ISO
 * 8601 in UTC with milliseconds, so that they compare as text.
 */
export function decide(lock: RunLock | undefined, event: LockEvent, now: string): LockDecision {
  if (event.kind === 'requested') return request(lock, event, now);
  if (event.kind === 'retried') return retry(lock, event, now);
  if (lock?.runId !== event.runId) return { lock, answer: { outcome: 'not_held' } };
  if (event.kind === 'polled') return poll(lock, now);
  if (event.kind === 'seen') {
    return { lock: { ...lock, seenAt: now }, answer: { outcome: 'noted' } };
  }
  return { lock: lock.next && newRun(lock.model, lock.next, now), answer: { outcome: 'freed' } };
}

function request(lock: RunLock | undefined, event: Of<'requested'>, now: string): LockDecision {
  const { model, runId, trigger } = event;
  const insists = trigger.kind === 'person';
  const wish = { runId, trigger, insists, ...quietFor(event, now) };
  if (!lock) return { lock: newRun(model, wish, now), answer: { outcome: 'started', runId } };
  if (lock.phase === 'quiet') {
    const limit = after(lock.acquiredAt, lock.quietSeconds * quietPeriodsAtMost);
    const quiet = joinedBy(lock, event, now, limit);
    const joined = insists && !lock.insists ? { ...lock, insists } : lock;
    return {
      lock: quiet === lock ? joined : { ...joined, ...quiet },
      answer: { outcome: 'coalesced', runId: lock.runId },
    };
  }
  const { next } = lock;
  if (!next) return { lock: { ...lock, next: wish }, answer: { outcome: 'queued', runId } };
  const quiet = joinedBy(next, event, now);
  const same = quiet === next && (next.insists || !insists);
  const joined = { ...next, ...quiet, insists: next.insists || insists };
  return {
    lock: same ? lock : { ...lock, next: joined },
    answer: { outcome: 'queued', runId: next.runId },
  };
}

type Quiet = Pick<RunLock, 'quietUntil' | 'quietSeconds'>;

const quietFor = ({ settled, quietSeconds }: Of<'requested'>, now: string): Quiet =>
  settled
    ? { quietUntil: now, quietSeconds: 0 }
    : { quietUntil: after(now, quietSeconds), quietSeconds };

/** How long a run waits that already waits for drops, now that there is one more. */
function joinedBy<Waiting extends Quiet>(
  waiting: Waiting,
  event: Of<'requested'>,
  now: string,
  limit?: string,
): Waiting | Quiet {
  // Somebody said that all is there: the drops that this was about may be heard of only now.
  if (waiting.quietSeconds === 0) return waiting;
  const own = quietFor(event, now);
  if (event.settled) return { ...own, quietUntil: earlier(waiting.quietUntil, now) };
  const wanted = limit === undefined ? own.quietUntil : earlier(own.quietUntil, limit);
  // A burst of thousands must not write thousands of times: less than a tenth of the period is let be.
  const gained = Date.parse(wanted) - Date.parse(waiting.quietUntil);
  if (gained <= 0 || gained < event.quietSeconds * 100) return waiting;
  return { quietUntil: wanted, quietSeconds: waiting.quietSeconds };
}

function retry(lock: RunLock | undefined, event: Of<'retried'>, now: string): LockDecision {
  if (lock) return { lock, answer: { outcome: 'busy', runId: lock.runId } };
  const { model, runId, trigger, input } = event;
  return {
    // It does not wait for anything, so drops belong to the next run from the beginning.
    lock: {
      model,
      runId,
      phase: 'running',
      input: { ...input, runId, model, trigger },
      trigger,
      acquiredAt: now,
      quietUntil: now,
      quietSeconds: 0,
      insists: true,
    },
    answer: { outcome: 'started', runId },
  };
}

function poll(lock: RunLock, now: string): LockDecision {
  if (lock.phase === 'running') return { lock, answer: { outcome: 'settled' } };
  // What is all there is waited for by no clock, not even one that was set back.
  if (lock.quietSeconds > 0 && now < lock.quietUntil)
    return { lock, answer: { outcome: 'waiting' } };
  return { lock: { ...lock, phase: 'running', seenAt: now }, answer: { outcome: 'settled' } };
}

function newRun(model: string, wish: NonNullable<RunLock['next']>, now: string): RunLock {
  const { runId, trigger } = wish;
  return { ...wish, model, phase: 'quiet', input: { runId, model, trigger }, acquiredAt: now };
}

/** `<model>-<yyyymmddThhmmss>-<6 hex>`: the name of a run and of its execution. */
export const runName = (model: string, now: string, hex: string): string =>
  `${model}-${now.slice(0, 19).replaceAll(/[-:]/g, '')}-${hex.slice(0, 6)}`;
