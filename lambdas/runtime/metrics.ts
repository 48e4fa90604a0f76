import { log } from './log.ts';

interface Measurement {
  readonly value: number;
  readonly unit: 'Count' | 'None';
}

/**
 * Measures something of a model by a log line in CloudWatch's embedded metric format: no call, no wait.
 * Further fields of the line are for whoever reads the log.
 */
export function measure(
  model: string,
  measurements: Readonly<Record<string, Measurement>>,
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  const measured = Object.entries(measurements);
  const metrics = measured.map(([Name, { unit }]) => ({ Name, Unit: unit }));
  const embedded = {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [{ Namespace: 'Slipway', Dimensions: [['Model']], Metrics: metrics }],
    },
    Model: model,
    ...Object.fromEntries(measured.map(([name, { value }]) => [name, value])),
  };
  log(level, message, { ...fields, ...(measured.length > 0 ? embedded : {}) });
}

/** The same for what is counted; counts of zero are left out. */
export function countMetrics(
  model: string,
  counts: Readonly<Record<string, number>>,
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  const counted = Object.entries(counts).filter(([, count]) => count > 0);
  const measurements = counted.map(([name, value]) => [name, { value, unit: 'Count' }] as const);
  measure(model, Object.fromEntries(measurements), level, message, fields);
}
