import * as z from 'zod';

/** The alarms of a model that a training may mend. */
export const RetrainingAlarm = z.enum(
  ['features-drifted', 'predictions-drifted', 'quality-dropped'],
  { error: 'an alarm is one of features-drifted, predictions-drifted, quality-dropped' },
);
export type RetrainingAlarm = z.infer<typeof RetrainingAlarm>;

/** When a model is trained again. */
export const RetrainingSection = z.strictObject({
  /** Which alarms ask for a training. */
  alarms: z.array(RetrainingAlarm).default([...RetrainingAlarm.options]),
  /** train: new data asks for a training too · collect: it is taken in and checked, and waits. */
  onDrop: z
    .enum(['train', 'collect'], { error: "on a drop, 'train' or 'collect'" })
    .default('train'),
  /** Fewer labelled rows that no training has seen are not trained on. */
  minimumLabelledRows: z.int().min(1).max(1_000_000_000).default(1),
  /** So long after a training began no other begins. */
  cooldownHours: z.number().min(0).max(8_760).default(0),
  /** A live version that was registered so long ago is to be replaced. */
  maxAgeDays: z.number().positive().max(3_650).optional(),
  /** Training may cost so much in a calendar month (UTC). */
  monthlyBudgetUsd: z.number().positive().max(1_000_000).optional(),
});
export type RetrainingSection = z.infer<typeof RetrainingSection>;
