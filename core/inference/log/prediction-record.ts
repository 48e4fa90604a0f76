import * as z from 'zod';

const RawValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);

/** What a model may say of a row beside its prediction: any JSON by name. */
export const PredictionDetails = z.record(z.string(), z.unknown());
export type PredictionDetails = z.infer<typeof PredictionDetails>;

/** Why a prediction was asked for that is no traffic: a comparison with the notebook. */
export const PredictionPurpose = z.enum(['parity']);
export type PredictionPurpose = z.infer<typeof PredictionPurpose>;

/** live: the ledger's head named the version · former: it answered in the place of one that could not be loaded. */
export const PredictionVariant = z.enum(['live', 'former']);
export type PredictionVariant = z.infer<typeof PredictionVariant>;

/** The header of a request that says so. */
export const purposeHeader = 'x-slipway-purpose';

/** One line of the prediction log. */
export const PredictionRecord = z.strictObject({
  predictionId: z.string(),
  requestId: z.string(),
  model: z.string(),
  version: z.int().positive(),
  /** Absent where a version was asked for by its number, and of lines from before it was kept. */
  variant: PredictionVariant.optional(),
  /** ISO 8601, UTC. */
  predictedAt: z.string(),
  entityKey: RawValue,
  inputs: z.record(z.string(), RawValue),
  /** The model's input vector; null = missing. */
  features: z.record(z.string(), z.number().nullable()),
  prediction: z.number(),
  /** What a container answered beside the number. */
  details: PredictionDetails.optional(),
  /** Whether it was computed for this request; absent where no cache was asked. */
  cache: z.enum(['hit-memory', 'hit-valkey', 'miss']).optional(),
  /** Absent of traffic; drift, quality and labels are about traffic alone. */
  purpose: PredictionPurpose.optional(),
  /** The share of the requests that the log keeps, this one among them; absent where it keeps all. */
  sampleRate: z.number().gt(0).max(1).optional(),
  /** From the parsed request to the finished prediction, of the whole request. */
  latencyMs: z.number().nonnegative(),
});
export type PredictionRecord = z.infer<typeof PredictionRecord>;

/** One line of labels/<model>/…: what turned out to be true. Joined by prediction id or entity key. */
export const LabelRecord = z.strictObject({
  predictionId: z.string().optional(),
  entityKey: RawValue.optional(),
  label: z.union([z.number(), z.boolean()]),
  receivedAt: z.string(),
});
export type LabelRecord = z.infer<typeof LabelRecord>;
