import { Stack, type StackProps } from 'aws-cdk-lib';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { Dashboard, type DashboardProps } from '../monitoring/dashboard.ts';
import { AlarmRule, type ModelStarter } from '../training/alarm-rule.ts';

export interface MonitoringStackProps extends StackProps, Omit<DashboardProps, 'models'> {
  readonly models: readonly ModelStarter[];
  readonly watched: DashboardProps['models'];
}

/** What watches over all models of an environment; deployed last. */
export class MonitoringStack extends Stack {
  constructor(scope: Construct, id: string, props: MonitoringStackProps) {
    super(scope, id, props);
    new Dashboard(this, 'Dashboard', { ...props, models: props.watched });
    new AlarmRule(this, 'AlarmRule', {
      environment: props.environment,
      starters: props.models,
      // By its address: who may send is said where the queue is, once for the environment.
      deadLetters: Queue.fromQueueArn(this, 'DeadLetters', props.deadLetters.queueArn),
      logRetention: props.logRetention,
    });
  }
}
