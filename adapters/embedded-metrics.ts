import { log } from './structured-log.ts';

export interface Measurement {
  /** Several are at most 100 measurements of one line. */
  readonly value: number | readonly number[];
  readonly unit: 'Count' | 'Milliseconds' | 'None';
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
