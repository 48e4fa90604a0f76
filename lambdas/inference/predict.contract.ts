import { z } from 'zod';

/** POST /v1/models/<model>:predict and GET /v1/models/<model>, as API Gateway's proxy integration. */
export const PredictEnvironment = z.object({
  MODEL_NAME: z.string(),
  REGISTRY_TABLE: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  PREDICTION_STREAM: z.string(),
});
