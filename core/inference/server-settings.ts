import { z } from 'zod';
import { PredictionCacheSettings } from './prediction-cache-settings.ts';

/** A model as a server of its own was deployed with it. */
export const ServedModelSettings = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/, { error: "a model's name, as in flight-delay" }),
  batching: z.strictObject({
    /** Rows of one run. */
    maximumRows: z.int().positive(),
    /** Rows that may wait. */
    maximumQueuedRows: z.int().positive(),
  }),
  cache: PredictionCacheSettings.optional(),
  predictionLog: z
    .strictObject({
      /** The share of the requests that are kept. */
      sampleRate: z.number().gt(0).max(1),
    })
    .optional(),
  /** The Firehose stream of its prediction log. */
  predictionStream: z.string().min(1),
});
export type ServedModelSettings = z.infer<typeof ServedModelSettings>;
export type ServedModelSettingsInput = z.input<typeof ServedModelSettings>;
