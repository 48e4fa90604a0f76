import { LRUCache } from 'lru-cache';
import type { MemoryCache } from '../core/inference/cache/prediction-cache.ts';

export interface LruOptions {
  readonly maximumEntries: number;
  readonly ttlSeconds: number;
}

/** The predictions that were last used, up to a number and an age. */
export function lruPredictionCache({ maximumEntries, ttlSeconds }: LruOptions): MemoryCache {
  const entries = new LRUCache<string, number>({
    max: maximumEntries,
    ttl: ttlSeconds * 1_000,
    // Read at every use, and the wall clock: another may stand still while an environment is frozen.
    ttlResolution: 0,
    perf: Date,
  });
  return {
    get: (key) => entries.get(key),
    set: (key, prediction) => {
      entries.set(key, prediction);
    },
  };
}
