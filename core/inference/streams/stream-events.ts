import * as z from 'zod';
import { sha256 } from '../../canonical-json.ts';
import { shownValue } from '../check-value.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import type { PredictionDetails } from '../log/prediction-record.ts';
import { isObject, writtenKeys } from '../parse-json-body.ts';

/** A key of a Kinesis record has no more characters. */
const longestId = 256;

/** What is sent in: a CloudEvent 1.0 as structured JSON, its data an instance. */
const PredictionEvent = z.looseObject({
  specversion: z.literal('1.0', { error: 'send "1.0", the version of CloudEvents' }),
  id: z.string({ error: 'send a string of its own for each event' }).min(1).max(longestId),
  source: z.string({ error: 'send who made the event, as in "/checkout"' }).min(1).max(1_024),
  type: z.string({ error: 'send what happened, as in "flight.scheduled"' }).min(1),
  datacontenttype: z
    .string()
    .regex(/^application\/([a-z.+-]+\+)?json\b/i, { error: 'send application/json' })
    .optional(),
  data_base64: z.undefined({ error: 'send the instance as JSON under data' }).optional(),
});

/** The same for each delivery of one event: ids are of their source alone. */
export const eventKey = (source: string, id: string): string =>
  sha256(JSON.stringify([source, id]));

export interface EventIdentity {
  /** Of its maker; empty where a record has none that can be read. */
  readonly source: string;
  readonly id: string;
}

export interface ReadEvent extends EventIdentity {
  /** One instance, as a model's parser takes it. */
  readonly body: string;
}

/** A record that cannot be answered, with as much of its identity as it has. */
export class UnreadableEventError extends InvalidRequestError {
  readonly identity: EventIdentity | undefined;

  constructor(problems: readonly string[], identity?: EventIdentity) {
    super(problems);
    this.identity = identity;
  }
}

const example =
  '{"specversion": "1.0", "id": "…", "source": "…", "type": "…", "data": {…instance…}}';

/** Attributes around the instance may be shown; anything else may be part of it. */
const shownAttributes: readonly PropertyKey[] = [
  'specversion',
  'id',
  'source',
  'type',
  'datacontenttype',
];

function envelopeProblems(error: z.ZodError, value: unknown): string[] {
  if (!isObject(value)) return [`the record is not a JSON object; send ${example}`];
  return error.issues.map(({ path: [name = ''], message }) => {
    const received = shownAttributes.includes(name)
      ? ` (received ${shownValue(value[String(name)])})`
      : '';
    return `${String(name)}: ${message}${received}`;
  });
}

function countKeys(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countKeys(item), 0);
  if (!isObject(value)) return 0;
  return Object.values(value).reduce<number>((sum, item) => sum + 1 + countKeys(item), 0);
}

function parsed(bytes: Uint8Array): { readonly text: string; readonly value: unknown } {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UnreadableEventError([`the record is not UTF-8 text; send ${example}`]);
  }
  try {
    return { text, value: JSON.parse(text) };
  } catch {
    throw new UnreadableEventError([`the record is not JSON; send ${example}`]);
  }
}

const textField = (value: unknown, name: string): string | undefined => {
  const field = isObject(value) ? value[name] : undefined;
  return typeof field === 'string' && field !== '' && field.length <= 1_024 ? field : undefined;
};

/**
 * Reads a record of the stream as an event.
 * @throws UnreadableEventError naming what is wrong with the event around the instance
 */
export function readEvent(bytes: Uint8Array): ReadEvent {
  const { text, value } = parsed(bytes);
  const event = PredictionEvent.safeParse(value);
  const id = textField(value, 'id');
  const source = textField(value, 'source');
  const identity =
    id !== undefined && id.length <= longestId && source !== undefined ? { source, id } : undefined;
  if (!event.success) {
    throw new UnreadableEventError(envelopeProblems(event.error, value), identity);
  }
  const { data } = event.data;
  if (!isObject(data)) {
    throw new UnreadableEventError(
      ["data: send the instance, an object of the model's columns"],
      identity,
    );
  }
  if (writtenKeys(text) !== countKeys(value)) {
    throw new UnreadableEventError(
      ['the event names a field twice; send each field once'],
      identity,
    );
  }
  return {
    id: event.data.id,
    source: event.data.source,
    body: JSON.stringify({ instances: [data] }),
  };
}

/** What names results of a model in an environment. */
export interface ResultOrigin {
  /** As in `/slipway/prod/churn`: the CloudEvents source of its results begins with it. */
  readonly source: string;
}

export const resultTypes = {
  prediction: 'slipway.prediction',
  refusal: 'slipway.prediction.refused',
} as const;

/** What comes out: a CloudEvent 1.0 with the id of the event that it answers. */
export const ResultEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.enum([resultTypes.prediction, resultTypes.refusal]),
  time: z.string(),
  datacontenttype: z.literal('application/json'),
  data: z.union([
    z.object({
      prediction: z.number(),
      details: z.record(z.string(), z.unknown()).optional(),
      prediction_id: z.string(),
      model_name: z.string(),
      model_version: z.string(),
    }),
    z.object({
      error: z.string(),
      /** Where in the data bucket the record is kept. */
      record: z.string(),
      model_name: z.string(),
      model_version: z.string(),
    }),
  ]),
});
export type ResultEvent = z.infer<typeof ResultEvent>;

/** An id is of its source alone, so the result's source says of which. */
const sourceOf = (origin: ResultOrigin, { source }: EventIdentity): string =>
  source === '' ? origin.source : `${origin.source}?of=${encodeURIComponent(source)}`;

interface ResultFacts {
  readonly identity: EventIdentity;
  readonly origin: ResultOrigin;
  readonly at: Date;
}

const resultText = (
  { identity, origin, at }: ResultFacts,
  type: ResultEvent['type'],
  data: ResultEvent['data'],
): string =>
  JSON.stringify({
    specversion: '1.0',
    id: identity.id,
    source: sourceOf(origin, identity),
    type,
    time: at.toISOString(),
    datacontenttype: 'application/json',
    data,
  } satisfies ResultEvent);

export interface Predicted {
  readonly prediction: number;
  readonly details?: PredictionDetails | null | undefined;
  readonly predictionId: string;
  readonly model: string;
  readonly version: number;
}

/** The text of a result that is a prediction. */
export const predictionText = (facts: ResultFacts, predicted: Predicted): string =>
  resultText(facts, resultTypes.prediction, {
    prediction: predicted.prediction,
    ...(predicted.details ? { details: predicted.details } : {}),
    prediction_id: predicted.predictionId,
    model_name: predicted.model,
    model_version: String(predicted.version),
  });

/** The text of a result that says why there is no prediction. */
export const refusalText = (
  facts: ResultFacts,
  refused: {
    readonly error: string;
    readonly record: string;
    readonly model: string;
    readonly version: number;
  },
): string =>
  resultText(facts, resultTypes.refusal, {
    error: refused.error,
    record: refused.record,
    model_name: refused.model,
    model_version: String(refused.version),
  });

/** Where a record that was refused is kept, in the data bucket: the same whenever it is delivered. */
export const refusedRecordKey = (model: string, place: string, arrivedAt: Date): string =>
  `quarantine/${model}/streaming/dt=${arrivedAt.toISOString().slice(0, 10)}/${place.replace(':', '-')}.json`;
