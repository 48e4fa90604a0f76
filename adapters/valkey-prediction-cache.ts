import type { Cluster } from 'iovalkey';
import type { SharedCache } from '../core/inference/cache/careful-cache.ts';

export interface ValkeyOptions {
  readonly host: string;
  readonly port: number;
  /** Keys begin with its name, which is all that its user may read and write. */
  readonly model: string;
  readonly ttlSeconds: number;
  readonly tls: boolean;
  /** Asked before each connection; without it the server asks for none. */
  readonly login?: () => Promise<{ readonly username: string; readonly password: string }>;
}

const connectTimeoutMs = 1_000;
/** Longer than anyone waits; it ends what would otherwise pile up. */
const commandTimeoutMs = 1_000;
/** ElastiCache ends a connection 12 hours after it was authenticated. */
const renewAfterMs = 11 * 3_600_000;

/** A number as it was written here; anything else is as good as nothing. */
function predictionOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const value = Number(text);
  return Number.isFinite(value) && String(value) === text ? value : undefined;
}

async function open(options: ValkeyOptions): Promise<Cluster> {
  // Only who has one to ask needs it, and what is not needed shall not make a start longer.
  const { Cluster } = await import('iovalkey');
  const login = await options.login?.();
  const cluster = new Cluster([{ host: options.host, port: options.port }], {
    lazyConnect: true,
    // What cannot be asked now is computed: nothing waits, repeats itself or reconnects in here.
    enableOfflineQueue: false,
    clusterRetryStrategy: () => null,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: 0,
    maxRedirections: 3,
    // Would connect with a token that has expired meanwhile; a key that has moved says so itself.
    slotsRefreshInterval: 0,
    slotsRefreshTimeout: connectTimeoutMs,
    enableReadyCheck: false,
    // Commands of one turn of the event loop go to each node in one write.
    enableAutoPipelining: true,
    // TLS checks a name, not the address it stands for.
    dnsLookup: (address, callback) => callback(null, address),
    redisOptions: {
      ...login,
      ...(options.tls ? { tls: {} } : {}),
      connectTimeout: connectTimeoutMs,
      commandTimeout: commandTimeoutMs,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
    },
  });
  // Failures reach whoever asked; without a listener they would end the process.
  cluster.on('error', () => undefined);
  try {
    await cluster.connect();
    await Promise.all(cluster.nodes('master').map((node) => node.ping()));
    return cluster;
  } catch (error) {
    cluster.disconnect();
    throw error;
  }
}

/** Predictions in a Valkey in cluster mode, one key each: no command spans two of its slots. */
export function valkeyPredictionCache(options: ValkeyOptions): SharedCache {
  let current: { readonly cluster: Cluster; readonly openedAt: number } | undefined;
  const keyOf = (key: string): string => `${options.model}:${key}`;
  const isOpen = () =>
    current?.cluster.status === 'ready' && Date.now() - current.openedAt < renewAfterMs;
  const disconnect = () => {
    current?.cluster.disconnect();
    current = undefined;
  };
  const ready = (): Cluster => {
    if (!current) throw new Error('the cache is not connected');
    return current.cluster;
  };
  return {
    get connected() {
      return isOpen();
    },
    async connect() {
      const cluster = await open(options);
      disconnect();
      current = { cluster, openedAt: Date.now() };
    },
    async get(keys) {
      const cluster = ready();
      const texts = await Promise.all(keys.map((key) => cluster.get(keyOf(key))));
      return texts.map(predictionOf);
    },
    async set(predictions) {
      const cluster = ready();
      const writes = [...predictions].map(([key, prediction]) =>
        cluster.set(keyOf(key), String(prediction), 'EX', options.ttlSeconds),
      );
      await Promise.all(writes);
    },
    disconnect,
  };
}
