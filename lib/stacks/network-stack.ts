import { type App, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { networkStackName } from '../../core/model/stack-names.ts';
import { CacheNetwork } from '../inference/cache-network.ts';
import { SharedCache, type SharedCacheAccess } from '../inference/shared-cache.ts';
import { waive } from '../runtime/waivers.ts';

/** Where an environment's models that ask for a cache share their answers. */
export type CachePlace =
  | { readonly kind: 'elasticache'; readonly availabilityZones?: readonly [string, string] }
  | { readonly kind: 'address'; readonly host: string; readonly port: number }
  | { readonly kind: 'memory' };

export interface NetworkStackProps extends StackProps {
  readonly environment: string;
  /** Names of the models that ask for a cache. */
  readonly models: readonly string[];
  /** @default the region's first two */
  readonly zones?: readonly [string, string];
  readonly logRetention: RetentionDays;
}

/** The cache and the network it lies in: only where a model asks for one, because both cost by the hour. */
export class NetworkStack extends Stack {
  readonly cache: SharedCache;
  readonly #zones: readonly [string, string] | undefined;

  constructor(scope: Construct, id: string, props: NetworkStackProps) {
    super(scope, id, props);
    this.#zones = props.zones;
    const network = new CacheNetwork(this, 'Network', props);
    if (props.zones) {
      for (const subnet of network.vpc.isolatedSubnets) {
        waive(subnet, 'CloudFormation-Validate::W3010', 'the environment names its zones');
      }
    }
    this.cache = new SharedCache(this, 'Cache', { ...props, network });
  }

  /** Chosen when it is deployed, so that a synthesis asks no account and depends on no committed answer. */
  override get availabilityZones(): string[] {
    return [...(this.#zones ?? [0, 1].map((index) => Fn.select(index, Fn.getAzs())))];
  }
}

/** How a model that asks for a cache finds it; the stack that holds it is there only if one does. */
export function sharedCaches(
  app: App,
  { name, cache }: { readonly name: string; readonly cache: CachePlace },
  models: readonly ModelDefinition[],
  shared: StackProps & { readonly environment: string; readonly logRetention: RetentionDays },
): (model: ModelDefinition) => SharedCacheAccess | undefined {
  const asking = models.filter(({ serving }) => serving.cache).map((model) => model.name);
  if (asking.length === 0 || cache.kind === 'memory') return () => undefined;
  const isAsking = (model: ModelDefinition) => asking.includes(model.name);
  if (cache.kind === 'address') {
    const { host, port } = cache;
    return (model) => (isAsking(model) ? { host, port } : undefined);
  }
  const network = new NetworkStack(app, networkStackName(name), {
    ...shared,
    models: asking,
    zones: cache.availabilityZones,
  });
  return (model) => (isAsking(model) ? network.cache.access(model.name) : undefined);
}
