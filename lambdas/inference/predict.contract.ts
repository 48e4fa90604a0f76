import * as z from 'zod';
import { PredictionCacheSettings } from '../../core/inference/cache/prediction-cache-settings.ts';

/** POST /v1/models/<model>:predict and GET /v1/models/<model>, as API Gateway's proxy integration. */
export const PredictEnvironment = z.object({
  MODEL_NAME: z.string(),
  REGISTRY_TABLE: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  PREDICTION_STREAM: z.string(),
  /** The share of the requests whose predictions are logged. */
  PREDICTION_LOG_SAMPLE_RATE: z.coerce.number<string>().gt(0).max(1).prefault('1'),
  /** JSON; empty where the model asks for no cache. */
  PREDICTION_CACHE: z
    .string()
    .default('')
    .transform((text): unknown => (text === '' ? undefined : JSON.parse(text)))
    .pipe(PredictionCacheSettings.optional()),
});
