import { log } from './log.ts';

/**
 * Counts metrics of a model by a log line in CloudWatch's embedded metric format: no call, no wait.
 * Counts of zero are left out; further fields of the line are for whoever reads the log.
 */
export function countMetrics(
  model: string,
  counts: Readonly<Record<string, number>>,
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  const counted = Object.entries(counts).filter(([, count]) => count > 0);
  const metrics = counted.map(([Name]) => ({ Name, Unit: 'Count' }));
  const embedded = {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [{ Namespace: 'Slipway', Dimensions: [['Model']], Metrics: metrics }],
    },
    Model: model,
    ...Object.fromEntries(counted),
  };
  log(level, message, { ...fields, ...(counted.length > 0 ? embedded : {}) });
}
