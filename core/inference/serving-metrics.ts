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
  /** Of a server, and only where there are any: records that Firehose took too slowly to be kept. */
  logDropped: 'PredictionLogDropped',
} as const;
