import { type App, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { networkStackName } from '../../core/model/stack-names.ts';
import { CacheNetwork } from '../inference/cache-network.ts';
import { ModelNetwork } from '../inference/model-network.ts';
import { SharedCache, type SharedCacheAccess } from '../inference/shared-cache.ts';
import {
  type BalancerCertificate,
  TaskHosting,
  type TaskHostingAccess,
} from '../inference/task-hosting.ts';
import { waive } from '../runtime/waivers.ts';

/** Where an environment's models that ask for a cache share their answers. */
export type CachePlace =
  | { readonly kind: 'elasticache'; readonly availabilityZones?: readonly [string, string] }
  | { readonly kind: 'address'; readonly host: string; readonly port: number }
  | { readonly kind: 'memory' };

export interface NetworkStackProps extends StackProps {
  readonly environment: string;
  /** Names of the models that share the cache. */
  readonly caching: readonly string[];
  /** Whether a model is served by tasks. */
  readonly tasks: boolean;
  readonly certificate?: BalancerCertificate | undefined;
  /** @default the region's first two */
  readonly zones?: readonly [string, string] | undefined;
  readonly logRetention: RetentionDays;
}

/**
 * The network with the cache and the place of tasks that lie in it: each only where a model asks for one,
 * because both cost by the hour.
 */
export class NetworkStack extends Stack {
  readonly cache: SharedCache | undefined;
  readonly hosting: TaskHostingAccess | undefined;
  readonly #zones: readonly [string, string] | undefined;

  constructor(scope: Construct, id: string, props: NetworkStackProps) {
    super(scope, id, props);
    this.#zones = props.zones;
    const { caching, environment, tasks } = props;
    const network = new ModelNetwork(this, 'Network', {
      ...props,
      cache: caching.length > 0,
      tasks,
    });
    if (props.zones) {
      for (const subnet of [...network.vpc.isolatedSubnets, ...network.vpc.publicSubnets]) {
        waive(subnet, 'CloudFormation-Validate::W3010', 'the environment names its zones');
      }
    }
    const hosting = tasks
      ? new TaskHosting(this, 'Hosting', { network, environment, certificate: props.certificate })
      : undefined;
    this.hosting = hosting?.access;
    if (caching.length === 0) return;
    const cacheNetwork = new CacheNetwork(this, 'CacheNetwork', network);
    if (hosting) cacheNetwork.admit(hosting.tasks, 'the tasks');
    this.cache = new SharedCache(this, 'Cache', {
      environment,
      models: caching,
      network: cacheNetwork,
    });
  }

  /** Chosen when it is deployed, so that a synthesis asks no account and depends on no committed answer. */
  override get availabilityZones(): string[] {
    return [...(this.#zones ?? [0, 1].map((index) => Fn.select(index, Fn.getAzs())))];
  }
}

/** What models that ask for a cache or for tasks are given of it. */
export interface NetworkAccess {
  readonly cacheOf: (model: ModelDefinition) => SharedCacheAccess | undefined;
  readonly hosting: TaskHostingAccess | undefined;
}

export interface NetworkSettings {
  readonly name: string;
  readonly cache: CachePlace;
  readonly tasks: { readonly certificate?: BalancerCertificate | undefined };
}

/** How models find the cache and where their tasks run; the stack of both is there only if one asks. */
export function networkFor(
  app: App,
  { name, cache, tasks: { certificate } }: NetworkSettings,
  models: readonly ModelDefinition[],
  shared: StackProps & { readonly environment: string; readonly logRetention: RetentionDays },
): NetworkAccess {
  const asking = models.filter(({ serving }) => serving.cache).map((model) => model.name);
  const caching = cache.kind === 'elasticache' ? asking : [];
  const tasks = models.some(({ serving }) => serving.target === 'ecs');
  const network =
    caching.length > 0 || tasks
      ? new NetworkStack(app, networkStackName(name), {
          ...shared,
          caching,
          tasks,
          certificate,
          zones: cache.kind === 'elasticache' ? cache.availabilityZones : undefined,
        })
      : undefined;
  return {
    hosting: network?.hosting,
    cacheOf(model) {
      if (!asking.includes(model.name) || cache.kind === 'memory') return undefined;
      if (cache.kind === 'address') return { host: cache.host, port: cache.port };
      return network?.cache?.access(model.name);
    },
  };
}
