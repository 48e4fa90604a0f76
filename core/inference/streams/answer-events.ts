import type { RawValue } from '../../features/raw-values.ts';
import { ContainerFaultError } from '../containers/container-errors.ts';
import type { Instances } from '../instances.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import { keptInLog } from '../log/log-sampling.ts';
import { predictionIds } from '../log/prediction-id.ts';
import type { PredictionRecord, PredictionVariant } from '../log/prediction-record.ts';
import { type Prediction, PredictionFaultError, predictRows } from '../predict.ts';
import type { LoadedVersion } from '../versions/loaded-version.ts';
import type { NewResult } from './publish-once.ts';
import {
  type EventIdentity,
  eventKey,
  predictionText,
  type ResultOrigin,
  readEvent,
  refusalText,
  refusedRecordKey,
  UnreadableEventError,
} from './stream-events.ts';

export interface StreamRecord {
  /** Shard and sequence number: of one record only, and the same whenever it is delivered. */
  readonly place: string;
  readonly bytes: Uint8Array;
  readonly arrivedAt: Date;
}

export interface AnswerOptions {
  readonly origin: ResultOrigin;
  readonly requestId: string;
  readonly variant?: PredictionVariant | undefined;
  readonly deadlineAt?: number | undefined;
  readonly at: Date;
}

export interface Refusal {
  readonly record: StreamRecord;
  readonly error: string;
  /** Where the record is to be kept. */
  readonly keptAt: string;
}

/** What became of one record. */
export interface AnsweredEvent {
  readonly record: StreamRecord;
  /** Absent where the model failed, which another delivery may mend. */
  readonly result?: NewResult;
  readonly refusal?: Refusal;
  readonly failure?: unknown;
  /** What the prediction log has of it, where it keeps a share of the events; made when asked for. */
  readonly logged?: (sampleRate: number) => PredictionRecord | undefined;
}

/** An entry of EventBridge has no more, with room for what is around it. */
const largestResultBytes = 200_000;

interface Asked {
  readonly record: StreamRecord;
  readonly identity: EventIdentity;
  readonly key: string;
  readonly instances: Instances;
}

type Answer = { readonly prediction: Prediction; readonly row: number } | { readonly fault: Error };

const isOfTheRow = (error: unknown): error is Error =>
  error instanceof InvalidRequestError ||
  error instanceof PredictionFaultError ||
  error instanceof ContainerFaultError;

function together(asked: readonly Asked[]): Instances {
  const names = Object.keys(asked[0]?.instances.columns ?? {});
  const columns: Record<string, RawValue[]> = Object.create(null);
  for (const name of names) {
    columns[name] = asked.map(
      ({ instances }) => (instances.columns[name]?.[0] ?? null) as RawValue,
    );
  }
  return { rows: asked.length, columns };
}

/** One run over all; where a row spoils it, each half by itself, down to the rows that do. */
async function answerRows(
  version: LoadedVersion,
  asked: readonly Asked[],
  options: AnswerOptions,
): Promise<Answer[]> {
  if (asked.length === 0) return [];
  const { requestId, variant, deadlineAt } = options;
  const ids = asked.flatMap(({ key }) => predictionIds(version, key.slice(0, 32), 1));
  const request = { instances: together(asked), requestId, variant, deadlineAt, ids };
  try {
    const prediction = await predictRows(version, request);
    return asked.map((_, row) => ({ prediction, row }));
  } catch (error) {
    if (!isOfTheRow(error)) throw error;
    if (asked.length === 1) return [{ fault: error }];
    const half = asked.length >> 1;
    const first = await answerRows(version, asked.slice(0, half), options);
    return [...first, ...(await answerRows(version, asked.slice(half), options))];
  }
}

/** The instance's place in an event; a body of one has it elsewhere. */
const inEvent = (message: string): string =>
  message.replaceAll('instances[0].', 'data.').replaceAll('instances[0]', 'data');

function asEvent(
  version: LoadedVersion,
  record: StreamRecord,
  identity: EventIdentity,
  options: AnswerOptions,
) {
  const { model, version: number } = version;
  const key = eventKey(identity.source, identity.id);
  const facts = { identity, origin: options.origin, at: options.at };
  const named = { key, eventId: identity.id };
  const refused = (error: string): AnsweredEvent => {
    const keptAt = refusedRecordKey(model, record.place, record.arrivedAt);
    const text = refusalText(facts, { error, record: keptAt, model, version: number });
    return { record, result: { ...named, text }, refusal: { record, error, keptAt } };
  };
  return {
    refused,
    predicted: (prediction: Prediction, row: number): AnsweredEvent => {
      const predictionId = prediction.ids[row] ?? '';
      const text = predictionText(facts, {
        prediction: prediction.predictions[row] ?? Number.NaN,
        details: prediction.details?.[row],
        predictionId,
        model,
        version: number,
      });
      const bytes = Buffer.byteLength(text);
      if (bytes > largestResultBytes) {
        return refused(
          `the model's answer has ${bytes} bytes; at most ${largestResultBytes} are sent`,
        );
      }
      const logged = (sampleRate: number) => {
        const line = keptInLog(predictionId, sampleRate) ? prediction.records()[row] : undefined;
        // What a request is to a caller, an event is here.
        return (
          line && { ...line, requestId: identity.id, ...(sampleRate < 1 ? { sampleRate } : {}) }
        );
      };
      return { record, result: { ...named, text }, logged };
    },
  };
}

/** Reads a record as its version reads requests. @throws UnreadableEventError */
function ask(version: LoadedVersion, record: StreamRecord): Asked {
  const { id, source, body } = readEvent(record.bytes);
  const identity = { id, source };
  try {
    return { record, identity, key: eventKey(source, id), instances: version.parse(body) };
  } catch (error) {
    if (!(error instanceof InvalidRequestError)) throw error;
    throw new UnreadableEventError(error.problems.map(inEvent), identity);
  }
}

/** What a reader of results is told; the fault's own words are for the log. */
const told = (fault: Error): string =>
  fault instanceof InvalidRequestError
    ? inEvent(fault.message)
    : 'the model gave no number for this instance, though it did for others';

/**
 * Answers records with one version in one run, with the numbers that its endpoint gives. A record that is no
 * event, or has no valid instance, has a refusal as its result. What only the model is to blame for is a
 * refusal where others are answered; where none is, it is a failure, which is not of the event.
 */
export async function answerEvents(
  version: LoadedVersion,
  records: readonly StreamRecord[],
  options: AnswerOptions,
): Promise<AnsweredEvent[]> {
  const asked: Asked[] = [];
  const answered = new Map<StreamRecord, AnsweredEvent>();
  for (const record of records) {
    try {
      asked.push(ask(version, record));
    } catch (error) {
      if (!(error instanceof UnreadableEventError)) throw error;
      const identity = error.identity ?? { source: '', id: record.place };
      answered.set(record, asEvent(version, record, identity, options).refused(error.message));
    }
  }
  const answers = await answerRows(version, asked, options);
  const someAnswered = answers.some((answer) => 'prediction' in answer);
  const settled = ({ record, identity }: Asked, answer: Answer): AnsweredEvent => {
    const event = asEvent(version, record, identity, options);
    if ('prediction' in answer) return event.predicted(answer.prediction, answer.row);
    const { fault } = answer;
    const itsOwn = fault instanceof InvalidRequestError || someAnswered;
    return itsOwn ? event.refused(told(fault)) : { record, failure: fault };
  };
  for (const [at, each] of asked.entries()) {
    const answer = answers[at];
    if (answer) answered.set(each.record, settled(each, answer));
  }
  return records.flatMap((record) => answered.get(record) ?? []);
}
