import { createHash } from 'node:crypto';
import { ArnFormat, Stack } from 'aws-cdk-lib';
import { CfnServerlessCache, CfnUser, CfnUserGroup } from 'aws-cdk-lib/aws-elasticache';
import { Construct } from 'constructs';
import type { FunctionNetwork } from '../runtime/handler-function.ts';
import type { CacheNetwork } from './cache-network.ts';

/** Where and as whom an endpoint finds the cache. */
export interface SharedCacheAccess {
  readonly host: string;
  readonly port: string | number;
  /** Only in ElastiCache. */
  readonly elasticache?: {
    readonly network: FunctionNetwork;
    readonly cacheName: string;
    readonly cacheArn: string;
    readonly user: string;
    readonly userArn: string;
  };
}

/** What a model's user may: read and write its own keys, find the node that has them, name a connection. */
export const accessString = (model: string): string =>
  `on ~${model}:* -@all +get +set +ping +cluster|slots +client|setname`;

/** Starts with a letter, at most 40 letters, digits and single dashes; two models never have the same. */
function userOf(environment: string, model: string): string {
  const readable = model.replaceAll(/-+/g, '-').slice(0, 22).replace(/-$/, '');
  const digest = createHash('sha256').update(model).digest('hex').slice(0, 8);
  return `${environment}-${readable}-${digest}`;
}

export interface SharedCacheProps {
  readonly environment: string;
  /** Names of the models that use it. */
  readonly models: readonly string[];
  readonly network: CacheNetwork;
}

/** The one cache of an environment. It bills for what is kept and asked, within limits. */
export class SharedCache extends Construct {
  readonly #environment: string;
  readonly #cacheName: string;
  readonly #network: CacheNetwork;
  readonly #cache: CfnServerlessCache;

  constructor(scope: Construct, id: string, { environment, models, network }: SharedCacheProps) {
    super(scope, id);
    this.#environment = environment;
    this.#network = network;
    this.#cacheName = `slipway-${environment}`;
    const users = models.map((model) => {
      const user = userOf(environment, model);
      return new CfnUser(this, `User${user}`, {
        engine: 'valkey',
        userId: user,
        // A user that signs in with IAM has one name in both places.
        userName: user,
        authenticationMode: { Type: 'iam' },
        accessString: accessString(model),
      });
    });
    // Of Valkey, a group needs no default user: nobody comes in without a name.
    const group = new CfnUserGroup(this, 'Users', {
      engine: 'valkey',
      userGroupId: this.#cacheName,
      userIds: users.map(({ ref }) => ref),
    });
    this.#cache = new CfnServerlessCache(this, 'Valkey', {
      serverlessCacheName: this.#cacheName,
      description: `Answers of the models of ${environment} that ask for a cache`,
      engine: 'valkey',
      majorEngineVersion: '8',
      userGroupId: group.ref,
      subnetIds: network.subnets.map(({ subnetId }) => subnetId),
      securityGroupIds: [network.cache.securityGroupId],
      // What is over them is thrown out or refused, and computed: a cache must not become a bill.
      cacheUsageLimits: {
        dataStorage: { unit: 'GB', maximum: 1 },
        ecpuPerSecond: { maximum: 5_000 },
      },
      // Everything in it can be computed again.
      snapshotRetentionLimit: 0,
    });
  }

  /** For the endpoint of one of its models. */
  access(model: string): SharedCacheAccess {
    const user = userOf(this.#environment, model);
    const arn = (resource: string, resourceName: string): string =>
      Stack.of(this).formatArn({
        service: 'elasticache',
        resource,
        resourceName,
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      });
    const { vpc, functions } = this.#network;
    return {
      host: this.#cache.attrEndpointAddress,
      port: this.#cache.attrEndpointPort,
      elasticache: {
        network: { vpc, securityGroup: functions },
        cacheName: this.#cacheName,
        cacheArn: arn('serverlesscache', this.#cacheName),
        user,
        userArn: arn('user', user),
      },
    };
  }
}
