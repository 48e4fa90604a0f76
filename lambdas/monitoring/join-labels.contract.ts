import * as z from 'zod';

export const JoinLabelsEnvironment = z.object({
  MODEL_NAME: z.string(),
  DATA_BUCKET: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});

/**
 * A batch of a queue: labels that came, or that it is time to try those again whose predictions were not
 * logged yet. What the messages say does not matter, because all labels are joined.
 */
export const JoinLabelsEvent = z.object({ Records: z.array(z.unknown()).min(1) });

export const JoinLabelsResult = z.object({
  /** Files of labels in the label window. */
  files: z.int(),
  matched: z.int(),
  /** Wait for their predictions. */
  unmatched: z.int(),
  invalid: z.int(),
  /** Hours of the prediction log whose labelled predictions changed. */
  changedHours: z.int(),
  /** Labelled predictions that are rows to train on. */
  trainingRows: z.int(),
});
