import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { z } from 'zod';
import { PredictionCache, type SharedCache } from '../core/inference/prediction-cache.ts';
import type { PredictionCacheSettings } from '../core/inference/prediction-cache-settings.ts';
import { elasticacheToken } from './elasticache-token.ts';
import { lruPredictionCache } from './lru-prediction-cache.ts';
import { valkeyPredictionCache } from './valkey-prediction-cache.ts';

type Settings = z.infer<typeof PredictionCacheSettings>;

export interface CacheSurroundings {
  /** Region and credentials of the endpoint, as a client of the SDK has found them. */
  readonly identity: Pick<DynamoDBClient, 'config'>;
  /** Told what an operator should know: no request has failed for it. */
  readonly onTrouble: (message: string, reason: unknown) => void;
}

function sharedCache(
  model: string,
  { ttlSeconds, valkey }: Settings,
  { config }: CacheSurroundings['identity'],
): SharedCache | undefined {
  if (!valkey) return undefined;
  const { host, port, iam } = valkey;
  const login = iam && {
    login: async () => {
      const region = await config.region();
      const token = await elasticacheToken({ ...iam, region, credentials: config.credentials });
      return { username: iam.user, password: token };
    },
  };
  // ElastiCache takes a token over TLS alone.
  return valkeyPredictionCache({ host, port, model, ttlSeconds, tls: iam !== undefined, ...login });
}

/** The cache that an endpoint was deployed with, already connecting; undefined where there is none. */
export function connectPredictionCache(
  model: string,
  settings: Settings | undefined,
  { identity, onTrouble }: CacheSurroundings,
): PredictionCache | undefined {
  if (!settings) return undefined;
  const cache = new PredictionCache({
    memory: lruPredictionCache(settings),
    shared: sharedCache(model, settings, identity),
    onOpen: (reason) =>
      onTrouble('the shared cache does not answer; predictions are computed meanwhile', reason),
  });
  cache.warm();
  return cache;
}
