import { Stack, type StackProps } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { PlatformBuckets } from '../datasets/platform-buckets.ts';
import { DeadLetters } from '../monitoring/dead-letters.ts';
import { notificationTopic } from '../monitoring/notifications.ts';
import { ModelRegistry } from '../registry/model-registry.ts';

const service = (name: string): ServicePrincipal => new ServicePrincipal(`${name}.amazonaws.com`);

export interface StateStackProps extends StackProps {
  readonly environment: string;
  /** Addresses that hear of what concerns no one model. */
  readonly emails: readonly string[];
}

/** Everything that outlives a deployment: data, artifacts, registry, and what could not be handled. */
export class StateStack extends Stack {
  readonly buckets: PlatformBuckets;
  readonly registry: ModelRegistry;
  readonly notificationsKey: Key;
  readonly deadLetters: Queue;
  /** For what concerns no one model; each model has topics of its own. */
  readonly pages: Topic;

  constructor(scope: Construct, id: string, props: StateStackProps) {
    super(scope, id, props);
    this.buckets = new PlatformBuckets(this, 'Buckets');
    this.registry = new ModelRegistry(this, 'Registry');
    this.notificationsKey = this.createNotificationsKey();
    const { environment } = props;
    // A model's Slack hears this topic and its own, and tells subscriptions apart by the topics' names.
    this.pages = notificationTopic(this, 'EnvironmentPages', this.notificationsKey);
    for (const email of props.emails) this.pages.addSubscription(new EmailSubscription(email));
    this.deadLetters = new DeadLetters(this, 'DeadLetters', {
      environment,
      pages: this.pages,
    }).queue;
    // Whether a model's Slack imports it changes with model.ts, and an export that is in use cannot go: the
    // state is deployed before the model that no longer needs it.
    this.exportValue(this.pages.topicArn);
    const parameters = {
      'data-bucket': this.buckets.data.bucketName,
      'artifacts-bucket': this.buckets.artifacts.bucketName,
      'registry-table': this.registry.table.tableName,
      'pages-topic-arn': this.pages.topicArn,
    };
    for (const [name, stringValue] of Object.entries(parameters)) {
      new StringParameter(this, name, {
        parameterName: `/slipway/${environment}/${name}`,
        stringValue,
      });
    }
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
