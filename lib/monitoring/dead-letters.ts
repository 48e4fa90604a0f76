import { Duration, Stack } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { waive } from '../runtime/waivers.ts';

export interface DeadLettersProps {
  readonly environment: string;
  readonly pages: ITopic;
}

/**
 * Where every asynchronous edge of the environment leaves what it could not deliver or handle, and the
 * one alarm on it. A message names the function it was for, and the function's name its model.
 */
export class DeadLetters extends Construct {
  readonly queue: Queue;

  constructor(scope: Construct, id: string, { environment, pages }: DeadLettersProps) {
    super(scope, id);
    this.queue = new Queue(this, 'Queue', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    waive(this.queue, 'AwsSolutions-SQS3', 'this is a dead-letter queue');
    this.letSend('Rules', 'events', 'rule/', environment);
    this.letSend('Topics', 'sns', '', environment);
    const alarm = new Alarm(this, 'Wait', {
      alarmName: `slipway-${environment}-dead-letters`,
      alarmDescription:
        'Something could not be handled after all retries. What to do: docs/runbook.md#slipway-env-dead-letters',
      metric: this.queue.metricApproximateNumberOfMessagesVisible({
        period: Duration.minutes(1),
        statistic: 'Maximum',
      }),
      threshold: 0,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      // A queue that nobody uses has no metrics.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(pages));
    alarm.addOkAction(new SnsAction(pages));
  }

  /**
   * Of the services that send in their own name, the environment's stacks alone: what they make is named
   * after them. Functions send with their own role, which names this queue.
   */
  private letSend(sid: string, service: string, kind: string, environment: string): void {
    const { partition, region, account } = Stack.of(this);
    const ofOurStacks = `arn:${partition}:${service}:${region}:${account}:${kind}Slipway-${environment}-*`;
    this.queue.addToResourcePolicy(
      new PolicyStatement({
        sid: `${sid}OfOurStacksSend`,
        principals: [new ServicePrincipal(`${service}.amazonaws.com`)],
        actions: ['sqs:SendMessage'],
        resources: [this.queue.queueArn],
        conditions: { ArnLike: { 'aws:SourceArn': ofOurStacks } },
      }),
    );
  }
}
