import { Duration, Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { NotifySlackEnvironment } from '../../lambdas/monitoring/notify-slack.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import type { ModelContext } from '../runtime/model-context.ts';
import { explainWildcard } from '../runtime/waivers.ts';

export interface SlackProps extends ModelContext {
  /** Name of the SecureString parameter that holds the webhook's URL. */
  readonly webhookParameter: string;
  readonly topics: readonly ITopic[];
}

/** Passes on to a Slack channel what topics tell. */
export class Slack extends Construct {
  readonly notifySlack: HandlerFunction<typeof NotifySlackEnvironment>;

  constructor(scope: Construct, id: string, props: SlackProps) {
    super(scope, id);
    const { deadLetters, topics, webhookParameter } = props;
    this.notifySlack = new HandlerFunction(this, 'NotifySlack', {
      ...props,
      entry: 'monitoring/notify-slack',
      contract: NotifySlackEnvironment,
      // Three attempts of five seconds, and before the last two up to ten that Slack asks for.
      timeout: Duration.minutes(1),
      environment: { WEBHOOK_PARAMETER: webhookParameter },
    });
    this.notifySlack.configureAsyncInvoke({
      retryAttempts: 2,
      onFailure: new SqsDestination(deadLetters),
    });
    this.letReadWebhook(webhookParameter);
    for (const topic of topics) {
      topic.addSubscription(
        new LambdaSubscription(this.notifySlack, { deadLetterQueue: deadLetters }),
      );
    }
  }

  /** One parameter, with whatever key it is encrypted. */
  private letReadWebhook(name: string): void {
    const stack = Stack.of(this);
    const parameterArn = stack.formatArn({
      service: 'ssm',
      resource: 'parameter',
      resourceName: name.slice(1),
    });
    this.notifySlack.addToRolePolicy(
      new PolicyStatement({ actions: ['ssm:GetParameter'], resources: [parameterArn] }),
    );
    this.notifySlack.addToRolePolicy(
      new PolicyStatement({
        actions: ['kms:Decrypt'],
        resources: [stack.formatArn({ service: 'kms', resource: 'key', resourceName: '*' })],
        conditions: {
          StringEquals: {
            'kms:ViaService': `ssm.${stack.region}.amazonaws.com`,
            'kms:EncryptionContext:PARAMETER_ARN': parameterArn,
          },
        },
      }),
    );
    explainWildcard(
      this.notifySlack,
      ':key/*',
      'whoever put the parameter there chose its key; the encryption context allows that parameter alone',
    );
  }
}
