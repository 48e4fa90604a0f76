import * as z from 'zod';

/** Takes an alarm of any model to that model's one starter. */
export const TakeAlarmEnvironment = z.object({
  /** JSON object: model → name of its request-run function. */
  REQUEST_RUN_FUNCTIONS: z.string(),
  /** What the names of the environment's alarms begin with, as in slipway-prod-. */
  ALARM_PREFIX: z.string(),
});

const Metric = z.object({
  metricStat: z
    .object({ metric: z.object({ dimensions: z.record(z.string(), z.string()).default({}) }) })
    .optional(),
});
/** EventBridge: CloudWatch Alarm State Change. */
export const TakeAlarmEvent = z.object({
  detail: z.object({
    alarmName: z.string(),
    state: z.object({ value: z.string(), timestamp: z.string() }),
    configuration: z.object({ metrics: z.array(Metric).default([]) }).prefault({}),
  }),
});
export const TakeAlarmResult = z.object({
  /** ignored: of a model that there is not, or an alarm that no training would mend. */
  outcome: z.enum(['handed_over', 'ignored']),
  model: z.string().optional(),
});
