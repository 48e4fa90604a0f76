import * as z from 'zod';
import { RetrainingAlarm } from '../model/retraining-section.ts';

const Instant = z.string().describe('ISO 8601, UTC');

/** Data as a training sees it: the same id is the same data, definition, code and image. */
export const SeenData = z.strictObject({ trainingId: z.string(), rows: z.int().nonnegative() });
export type SeenData = z.infer<typeof SeenData>;

export const WishKind = z.enum([...RetrainingAlarm.options, 'age', 'drop', 'person']);
export type WishKind = z.infer<typeof WishKind>;

/** Why a model is to be trained again. It stays until a version that was trained after it goes live. */
export const RetrainingWish = z.strictObject({
  kind: WishKind,
  since: Instant,
  /** For people. */
  text: z.string(),
  /** So many rows were there before and do not count as new ones for this wish. */
  rowsBefore: z.int().nonnegative(),
  /** The training that was begun with this wish in mind. */
  trainingId: z.string().optional(),
  /** People were told that it has been refused for long. */
  told: z.literal(true).optional(),
});
export type RetrainingWish = z.infer<typeof RetrainingWish>;

/** What trainings cost in a calendar month (UTC). */
export const TrainingSpend = z.strictObject({
  /** YYYY-MM; never goes back, whatever a clock says. */
  month: z.string(),
  settledUsd: z.number().nonnegative(),
  /** What trainings that go on may cost at most. */
  reserved: z.array(
    z.strictObject({
      runId: z.string(),
      trainingJobName: z.string(),
      month: z.string(),
      at: Instant,
      usd: z.number().nonnegative(),
    }),
  ),
});
export type TrainingSpend = z.infer<typeof TrainingSpend>;

/** What the retraining policy remembers of a model. */
export const RetrainingState = z.strictObject({
  model: z.string(),
  /** The last snapshot that was validated, and the run that first saw it. */
  collected: SeenData.extend({ runId: z.string() }).optional(),
  lastTraining: SeenData.extend({
    runId: z.string(),
    at: Instant,
    /** judged: it came to a candidate that is not live · absent while it goes on. */
    outcome: z.enum(['live', 'judged', 'failed']).optional(),
  }).optional(),
  /** What the last training saw that came to a verdict. */
  judged: SeenData.optional(),
  retrainWanted: z.array(RetrainingWish),
  /** Alarm → when its last event that was heard says it began: an event may come twice. */
  heard: z.partialRecord(RetrainingAlarm, Instant),
  /** The last run that was started for a kept wish, and for which data. */
  asked: z
    .strictObject({ runId: z.string(), at: Instant, trainingId: z.string().optional() })
    .optional(),
  /** Why the last decision was to wait. */
  refused: z.strictObject({ at: Instant, reasons: z.array(z.string()) }).optional(),
  spend: TrainingSpend,
});
export type RetrainingState = z.infer<typeof RetrainingState>;

export interface HeldRetrainingState {
  readonly state: RetrainingState;
  /** Grows with every change. */
  readonly revision: number;
}

/** Where the states are kept; one per model. */
export interface RetrainingStore {
  read(model: string): Promise<HeldRetrainingState | undefined>;
  /** Puts a state in the place of what was read; false where somebody else changed it in between. */
  replace(
    model: string,
    before: HeldRetrainingState | undefined,
    state: RetrainingState,
  ): Promise<boolean>;
}

export const emptyState = (model: string): RetrainingState => ({
  model,
  retrainWanted: [],
  heard: {},
  spend: { month: '0000-00', settledUsd: 0, reserved: [] },
});
