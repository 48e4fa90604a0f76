/** What a cache did since it was last asked. */
export interface CacheUsage {
  readonly hits: number;
  readonly misses: number;
  /** What computing the hits would have taken, less what looking up took: below 0 where it does not pay. */
  readonly savedMs: number;
  /** The cache, or the part that is shared, is left out because it costs more than it saves. */
  readonly leftOut: boolean;
}

/** Metrics in the namespace Slipway with the dimension Model, of a model that has a cache. */
export const CacheMetrics = {
  /** Rows that were answered without being computed. */
  hits: 'CacheHits',
  /** Rows that were looked up and computed. */
  misses: 'CacheMisses',
  /**
   * US dollars: (hits × milliseconds that computing a row takes − milliseconds of looking up) × the list price
   * of a millisecond of the endpoint, both as measured there.
   */
  savedUsd: 'CacheSavedUsd',
  /** 1 while the cache is left out; no data point otherwise, so that it costs nothing then. */
  leftOut: 'CacheLeftOut',
} as const;

export interface CacheMeasurement {
  readonly value: number;
  readonly unit: 'Count' | 'None';
}

/** What a door writes into its log as metrics. */
export function cacheMeasurements(
  { hits, misses, savedMs, leftOut }: CacheUsage,
  usdPerMs: number,
): Readonly<Record<string, CacheMeasurement>> {
  return {
    [CacheMetrics.hits]: { value: hits, unit: 'Count' },
    [CacheMetrics.misses]: { value: misses, unit: 'Count' },
    [CacheMetrics.savedUsd]: { value: savedMs * usdPerMs, unit: 'None' },
    ...(leftOut && { [CacheMetrics.leftOut]: { value: 1, unit: 'Count' as const } }),
  };
}
