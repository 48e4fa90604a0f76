import * as z from 'zod';

/** POST /v1/models/<model>:feedback, as API Gateway's proxy integration. */
export const ReceiveFeedbackEnvironment = z.object({
  MODEL_NAME: z.string(),
  DATA_BUCKET: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
