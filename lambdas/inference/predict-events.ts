import type { LogOutcome } from '../../adapters/firehose-prediction-log.ts';
import type { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import {
  type AnsweredEvent,
  answerEvents,
  type Refusal,
  type StreamRecord,
} from '../../core/inference/streams/answer-events.ts';
import {
  claimMs,
  type Destination,
  type Outcome,
  publishOnce,
  type ResultStore,
} from '../../core/inference/streams/publish-once.ts';
import type { ResultOrigin } from '../../core/inference/streams/stream-events.ts';
import type { LiveVersions } from '../../core/inference/versions/live-versions.ts';

export interface EventStream {
  readonly versions: Pick<LiveVersions, 'use'>;
  readonly origin: ResultOrigin;
  readonly store: ResultStore;
  readonly destinations: readonly Destination[];
  readonly keepRefused: (key: string, document: object) => Promise<unknown>;
  readonly logPredictions: (records: readonly PredictionRecord[]) => Promise<LogOutcome>;
  /** The share of the events whose predictions are logged. */
  readonly sampleRate: number;
  readonly pause: (ms: number) => Promise<void>;
  readonly onUnnoted: (key: string, error: unknown) => void;
}

export interface Delivery {
  readonly records: readonly StreamRecord[];
  /** Of this attempt, and of no other. */
  readonly id: string;
  /** Milliseconds of the wall clock when the function is stopped. */
  readonly endsAtMs: number;
}

export interface DeliveryReport {
  readonly version: number | undefined;
  readonly predicted: number;
  /** Why, by where the record is kept. */
  readonly refused: Readonly<Record<string, string>>;
  /** Published by an earlier delivery. */
  readonly known: number;
  readonly log: LogOutcome;
  readonly failures: readonly { readonly record: StreamRecord; readonly error: unknown }[];
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function keptForm({ record, error }: Refusal): object {
  const { bytes, place, arrivedAt } = record;
  const about = { error, place, arrivedAt: arrivedAt.toISOString() };
  try {
    return { ...about, record: utf8.decode(bytes) };
  } catch {
    return { ...about, base64: Buffer.from(bytes).toString('base64') };
  }
}

/** Keeps what is refused before it is said to be; gives those whose record could not be kept. */
async function keepRefused(
  answered: readonly AnsweredEvent[],
  keep: EventStream['keepRefused'],
): Promise<Map<StreamRecord, unknown>> {
  const refusals = answered.flatMap(({ refusal }) => refusal ?? []);
  const kept = await Promise.allSettled(
    refusals.map((refusal) => keep(refusal.keptAt, keptForm(refusal))),
  );
  return new Map(
    kept.flatMap((outcome, at) => {
      const record = refusals[at]?.record;
      return outcome.status === 'rejected' && record ? [[record, outcome.reason] as const] : [];
    }),
  );
}

/** Once where an event is in the batch twice. */
function firstOnes(
  answered: readonly AnsweredEvent[],
  outcomes: ReadonlyMap<string, Outcome>,
): AnsweredEvent[] {
  const seen = new Set<string>();
  return answered.filter(({ result }) => {
    if (!result || seen.has(result.key) || !outcomes.get(result.key)?.first) return false;
    seen.add(result.key);
    return true;
  });
}

const failurePauseMs = 20_000;

/** Time for one more round of publishing after it began, and for the log. */
const lastRoundMs = claimMs + 5_000;

/**
 * Lambda delivers again at once, and counts: what is out of order for some minutes must not use up the
 * attempts, after which records are set aside.
 */
export async function pauseAfterFailure(
  pause: EventStream['pause'],
  endsAtMs: number,
): Promise<void> {
  const left = endsAtMs - Date.now() - 2_000;
  if (left > 0) await pause(Math.min(failurePauseMs, left));
}

/**
 * Answers a delivery of records and publishes each event's result once. What fails is told by record, and
 * leaves the others as they are.
 */
export async function predictEvents(
  stream: EventStream,
  { records, id, endsAtMs }: Delivery,
): Promise<DeliveryReport> {
  const { origin, store, destinations, pause, onUnnoted } = stream;
  const { answered, version } = await stream.versions.use(async (live, variant) => ({
    version: live.version,
    answered: await answerEvents(live, records, {
      ...{ origin, requestId: id, variant, at: new Date() },
      deadlineAt: endsAtMs - lastRoundMs,
    }),
  }));
  const unkept = await keepRefused(answered, stream.keepRefused);
  const publishable = answered.filter(({ record }) => !unkept.has(record));
  const outcomes = await publishOnce(
    publishable.flatMap(({ result }) => result ?? []),
    {
      ...{ store, destinations, pause, onUnnoted, by: id },
      now: Date.now,
      deadlineMs: endsAtMs - lastRoundMs,
    },
  );
  const first = firstOnes(publishable, outcomes);
  const log = await stream.logPredictions(
    first.flatMap(({ logged }) => logged?.(stream.sampleRate) ?? []),
  );
  const failureOf = ({ record, result, failure }: AnsweredEvent): unknown => {
    if (!result) return failure;
    if (unkept.has(record)) return unkept.get(record);
    const outcome = outcomes.get(result.key);
    return outcome?.outcome === 'failed' ? outcome.error : undefined;
  };
  return {
    version,
    predicted: first.filter(({ refusal }) => !refusal).length,
    refused: Object.fromEntries(
      first.flatMap(({ refusal }) => (refusal ? [[refusal.keptAt, refusal.error]] : [])),
    ),
    known: [...outcomes.values()].filter(({ outcome }) => outcome === 'known').length,
    log,
    failures: answered.flatMap((event) => {
      const error = failureOf(event);
      return error === undefined ? [] : [{ record: event.record, error }];
    }),
  };
}
