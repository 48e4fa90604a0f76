import { Stack, type StackProps } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { PlatformBuckets } from '../datasets/platform-buckets.ts';
import { ModelRegistry } from '../registry/model-registry.ts';

const service = (name: string): ServicePrincipal => new ServicePrincipal(`${name}.amazonaws.com`);

/** Everything that outlives a deployment: data, artifacts, registry, and where people are told. */
export class StateStack extends Stack {
  readonly buckets: PlatformBuckets;
  readonly registry: ModelRegistry;
  readonly notifications: Topic;
  readonly notificationsKey: Key;

  constructor(scope: Construct, id: string, props: StackProps & { readonly environment: string }) {
    super(scope, id, props);
    this.buckets = new PlatformBuckets(this, 'Buckets');
    this.registry = new ModelRegistry(this, 'Registry');
    this.notificationsKey = this.createNotificationsKey();
    this.notifications = new Topic(this, 'Notifications', {
      masterKey: this.notificationsKey,
      enforceSSL: true,
    });
    this.letServicesPublish();
    const parameters = {
      'data-bucket': this.buckets.data.bucketName,
      'artifacts-bucket': this.buckets.artifacts.bucketName,
      'registry-table': this.registry.table.tableName,
      'notification-topic-arn': this.notifications.topicArn,
    };
    for (const [name, stringValue] of Object.entries(parameters)) {
      new StringParameter(this, name, {
        parameterName: `/slipway/${props.environment}/${name}`,
        stringValue,
      });
    }
  }

  /** Alarms and rules of this account reach the topic in their service's name, not in a role's. */
  private letServicesPublish(): void {
    this.notifications.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsAndRulesPublish',
        principals: ['cloudwatch', 'events'].map(service),
        actions: ['sns:Publish'],
        resources: [this.notifications.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    );
  }

  /** A customer key, because only such a one lets CloudWatch and EventBridge publish. */
  private createNotificationsKey(): Key {
    const key = new Key(this, 'NotificationsKey', {
      description: 'Encrypts notifications to the models’ owners',
      enableKeyRotation: true,
    });
    const use = { actions: ['kms:Decrypt', 'kms:GenerateDataKey*'], resources: ['*'] };
    key.addToResourcePolicy(
      new PolicyStatement({
        ...use,
        sid: 'AlarmsEncrypt',
        principals: [service('cloudwatch')],
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    );
    // EventBridge does not tell a key for whom it asks; the topic decides whose rules may publish.
    key.addToResourcePolicy(
      new PolicyStatement({ ...use, sid: 'RulesEncrypt', principals: [service('events')] }),
    );
    return key;
  }
}
