import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { z } from 'zod';
import { elasticacheToken } from '../../adapters/elasticache-token.ts';
import { lruPredictionCache } from '../../adapters/lru-prediction-cache.ts';
import { valkeyPredictionCache } from '../../adapters/valkey-prediction-cache.ts';
import { PredictionCache } from '../../core/inference/prediction-cache.ts';
import { errorFields, log } from '../runtime/log.ts';
import type { PredictionCacheSettings } from './predict.contract.ts';

type Settings = z.infer<typeof PredictionCacheSettings>;

/** Region and credentials of the function, as a client of the SDK has found them. */
type Identity = Pick<DynamoDBClient, 'config'>;

function sharedCache(
  model: string,
  { ttlSeconds, valkey }: Settings,
  { config }: Identity,
): ReturnType<typeof valkeyPredictionCache> | undefined {
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

/** The cache that a function was deployed with, already connecting; undefined where there is none. */
export function connectPredictionCache(
  model: string,
  settings: Settings | undefined,
  identity: Identity,
): PredictionCache | undefined {
  if (!settings) return undefined;
  const cache = new PredictionCache({
    memory: lruPredictionCache(settings),
    shared: sharedCache(model, settings, identity),
    onOpen: (reason) =>
      log(
        'warn',
        'the shared cache does not answer; predictions are computed meanwhile',
        errorFields(reason),
      ),
  });
  cache.warm();
  return cache;
}
