import * as z from 'zod';
import { Batching, PredictionLog } from '../model/serving-section.ts';
import { PredictionCacheSettings } from './cache/prediction-cache-settings.ts';

/** A model as a server of its own was deployed with it. */
export const ServedModelSettings = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/, { error: "a model's name, as in flight-delay" }),
  batching: Batching.prefault({}),
  cache: PredictionCacheSettings.optional(),
  predictionLog: PredictionLog.optional(),
  /** The Firehose stream of its prediction log. */
  predictionStream: z.string().min(1),
});
export type ServedModelSettings = z.infer<typeof ServedModelSettings>;
export type ServedModelSettingsInput = z.input<typeof ServedModelSettings>;
