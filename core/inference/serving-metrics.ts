/** Metrics in the namespace Slipway with the dimension Model, by log lines in EMF. */
export const ServingMetrics = {
  /** Of each request that was answered, from its body to its reply. */
  latencyMs: 'PredictionLatencyMs',
  /**
   * Replies with a status of 500 or more, and versions that could not be loaded or were refused because an
   * artifact is not what was registered.
   */
  errors: 'PredictionErrors',
  /** Of a server: how long what came found to do before it, in milliseconds. The service scales on it. */
  queuedWorkMs: 'QueuedWorkMs',
  /**
   * Only where there are any, so that it costs nothing while there are none: records that Firehose did not
   * take, or not in time.
   */
  logDropped: 'PredictionLogDropped',
} as const;
