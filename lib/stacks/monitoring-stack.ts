import { Stack, type StackProps } from 'aws-cdk-lib';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { type IQueue, Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { AlarmRule, type ModelStarter } from '../training/alarm-rule.ts';

export interface MonitoringStackProps extends StackProps {
  readonly environment: string;
  readonly deadLetters: IQueue;
  readonly models: readonly ModelStarter[];
  readonly logRetention: RetentionDays;
}

/** What watches over all models of an environment; deployed last. */
export class MonitoringStack extends Stack {
  constructor(scope: Construct, id: string, props: MonitoringStackProps) {
    super(scope, id, props);
    new AlarmRule(this, 'AlarmRule', {
      environment: props.environment,
      starters: props.models,
      // By its address: who may send is said where the queue is, once for the environment.
      deadLetters: Queue.fromQueueArn(this, 'DeadLetters', props.deadLetters.queueArn),
      logRetention: props.logRetention,
    });
  }
}
