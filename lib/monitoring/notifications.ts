import { Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

export interface NotificationsProps {
  /** A customer key: only such a one lets CloudWatch and EventBridge publish. */
  readonly notificationsKey: IKey;
  /** Hears both; whoever reads it confirms each once. */
  readonly email?: string | undefined;
}

/** A topic that this account's alarms and rules, and whoever is granted it, may publish to. */
export function notificationTopic(scope: Construct, id: string, key: IKey): Topic {
  const topic = new Topic(scope, id, { masterKey: key, enforceSSL: true });
  // Alarms and rules reach a topic in their service's name, not in a role's.
  topic.addToResourcePolicy(
    new PolicyStatement({
      sid: 'AlarmsAndRulesPublish',
      principals: ['cloudwatch', 'events'].map(
        (service) => new ServicePrincipal(`${service}.amazonaws.com`),
      ),
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(scope).account } },
    }),
  );
  return topic;
}

/**
 * Where the people who own a model hear of it. News can wait for the morning: what went live, what was
 * rejected, what drifts. Pages cannot: answers fail, are late or are worse than they were promised to be.
 */
export class Notifications extends Construct {
  readonly news: Topic;
  readonly pages: Topic;

  constructor(scope: Construct, id: string, { notificationsKey, email }: NotificationsProps) {
    super(scope, id);
    this.news = notificationTopic(this, 'News', notificationsKey);
    this.pages = notificationTopic(this, 'Pages', notificationsKey);
    if (email === undefined) return;
    for (const topic of [this.news, this.pages])
      topic.addSubscription(new EmailSubscription(email));
  }
}
