import type * as z from 'zod';
import type { CacheVerdict } from '../core/inference/cache/cache-economy.ts';
import type { SharedCache } from '../core/inference/cache/careful-cache.ts';
import { PredictionCache } from '../core/inference/cache/prediction-cache.ts';
import type { PredictionCacheSettings } from '../core/inference/cache/prediction-cache-settings.ts';
import type { AwsIdentity } from './aws-identity.ts';
import { lruPredictionCache } from './lru-prediction-cache.ts';
import { errorFields, log } from './structured-log.ts';
import { valkeyPredictionCache } from './valkey-prediction-cache.ts';

type Settings = z.infer<typeof PredictionCacheSettings>;

/** Of the endpoint; a client's configuration of the SDK has them as well. */
type Identity = Pick<AwsIdentity, 'region' | 'credentials'>;

function sharedCache(
  model: string,
  { ttlSeconds, valkey }: Settings,
  identity: Identity,
): SharedCache | undefined {
  if (!valkey) return undefined;
  const { host, port, iam } = valkey;
  const login = iam && {
    login: async () => {
      // Only who signs in needs it, and what is not needed shall not make a start longer.
      const { elasticacheToken } = await import('./elasticache-token.ts');
      const region = await identity.region();
      const token = await elasticacheToken({ ...iam, region, credentials: identity.credentials });
      return { username: iam.user, password: token };
    },
  };
  // ElastiCache takes a token over TLS alone.
  return valkeyPredictionCache({ host, port, model, ttlSeconds, tls: iam !== undefined, ...login });
}

const changed = ({ worth }: CacheVerdict): string =>
  worth
    ? 'saves more than it costs again, and is used'
    : 'costs more than it saves here; it is left out and tried again in ten minutes';

/** The cache that an endpoint was deployed with, already connecting; undefined where there is none. */
export function connectPredictionCache(
  model: string,
  settings: Settings | undefined,
  { identity }: { readonly identity: Identity },
): PredictionCache | undefined {
  if (!settings) return undefined;
  const cache = new PredictionCache({
    memory: lruPredictionCache(settings),
    shared: sharedCache(model, settings, identity),
    onOpen: (reason) =>
      log('warn', 'the shared cache does not answer; predictions are computed meanwhile', {
        model,
        ...errorFields(reason),
      }),
    onVerdict: (about, verdict) => {
      const { rows, costMs, savedMs } = verdict;
      log('info', `the ${about} ${changed(verdict)}`, { model, rows, costMs, savedMs });
    },
  });
  cache.warm();
  return cache;
}
