import { Duration } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { RetrainingAlarm } from '../../core/model/retraining-section.ts';
import { TakeAlarmEnvironment } from '../../lambdas/training/take-alarm.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';

/** A model with its one starter. */
export interface ModelStarter {
  readonly model: string;
  readonly requestRun: IFunction;
}

export interface AlarmRuleProps {
  readonly environment: string;
  readonly starters: readonly ModelStarter[];
  /** Takes alarms that could not be handed over. */
  readonly deadLetters: IQueue;
  readonly logRetention: RetentionDays;
}

/** One rule for the alarms of all models: each is handed to the one starter of its own model. */
export class AlarmRule extends Construct {
  constructor(scope: Construct, id: string, props: AlarmRuleProps) {
    super(scope, id);
    const { deadLetters, environment, starters } = props;
    const alarmPrefix = `slipway-${environment}-`;
    const functions = starters.map(({ model, requestRun }) => [model, requestRun.functionName]);
    const takeAlarm = new HandlerFunction(this, 'TakeAlarm', {
      ...props,
      entry: 'training/take-alarm',
      contract: TakeAlarmEnvironment,
      environment: {
        REQUEST_RUN_FUNCTIONS: JSON.stringify(Object.fromEntries(functions)),
        ALARM_PREFIX: alarmPrefix,
      },
    });
    takeAlarm.addToRolePolicy(
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: starters.map(({ requestRun }) => requestRun.functionArn),
      }),
    );
    takeAlarm.configureAsyncInvoke({
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
      onFailure: new SqsDestination(deadLetters),
    });
    new Rule(this, 'Alarm', {
      description: `An alarm of a model of ${environment} that a training may mend`,
      eventPattern: {
        source: ['aws.cloudwatch'],
        detailType: ['CloudWatch Alarm State Change'],
        detail: {
          alarmName: RetrainingAlarm.options.map((alarm) => ({
            wildcard: `${alarmPrefix}*-${alarm}`,
          })),
          state: { value: ['ALARM'] },
        },
      },
      targets: [new LambdaTarget(takeAlarm, { deadLetterQueue: deadLetters, retryAttempts: 8 })],
    });
  }
}
