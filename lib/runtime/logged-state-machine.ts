import { type Duration, RemovalPolicy } from 'aws-cdk-lib';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  DefinitionBody,
  type IChainable,
  LogLevel,
  StateMachine,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { explainWildcard } from './waivers.ts';

export interface LoggedStateMachineProps {
  readonly stateMachineName: string;
  readonly definition: IChainable;
  readonly timeout: Duration;
  readonly logRetention: RetentionDays;
}

/** A state machine whose executions are traced and logged whole, in a log group that forgets. */
export class LoggedStateMachine extends StateMachine {
  constructor(scope: Construct, id: string, props: LoggedStateMachineProps) {
    super(scope, id, {
      stateMachineName: props.stateMachineName,
      definitionBody: DefinitionBody.fromChainable(props.definition),
      timeout: props.timeout,
      tracingEnabled: true,
      logs: {
        destination: new LogGroup(scope, 'Logs', {
          retention: props.logRetention,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ALL,
        includeExecutionData: true,
      },
    });
    explainWildcard(this.role, '.Arn>:*', 'a step is invoked in any of its versions');
    explainWildcard(this.role, 'Resource::*', 'log delivery and X-Ray know no resources');
  }
}
