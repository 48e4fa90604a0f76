import { Duration } from 'aws-cdk-lib';
import { EventField, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Construct } from 'constructs';
import type { LineagePolicy } from '../../core/registry/declared-lineage.ts';
import { ReleaseRunEnvironment } from '../../lambdas/training/release-run.contract.ts';
import { RequestRunEnvironment } from '../../lambdas/training/request-run.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantNotifications,
  grantRegistry,
  type ModelContext,
  notificationVariables,
} from '../runtime/model-context.ts';
import { explainWildcard } from '../runtime/waivers.ts';
import { grantJobCosts } from './training-job.ts';

export interface RunControlProps extends ModelContext {
  readonly stateMachineName: string;
  readonly stateMachineArn: string;
  /** Of all executions of the state machine. */
  readonly executionsArn: string;
  readonly quietPeriodSeconds: number;
  readonly environment: string;
  /** Whether imported versions are taken. */
  readonly lineage: LineagePolicy;
  /** How often kept wishes for a training are looked at again. */
  readonly driftCheckMinutes: number;
}

/**
 * The one starter of a model's pipeline, and what frees its lock when a run ends badly. Whatever either
 * could not handle waits in the environment's dead-letter queue, and an alarm tells.
 */
export class RunControl extends Construct {
  readonly requestRun: HandlerFunction<typeof RequestRunEnvironment>;
  readonly releaseRun: HandlerFunction<typeof ReleaseRunEnvironment>;

  constructor(scope: Construct, id: string, props: RunControlProps) {
    super(scope, id);
    const { data, deadLetters, model, registry } = props;
    this.requestRun = new HandlerFunction(this, 'RequestRun', {
      ...props,
      entry: 'training/request-run',
      contract: RequestRunEnvironment,
      environment: {
        REGISTRY_TABLE: registry.tableName,
        STATE_MACHINE_ARN: props.stateMachineArn,
        QUIET_PERIOD_SECONDS: String(props.quietPeriodSeconds),
        ENVIRONMENT_NAME: props.environment,
        LINEAGE_POLICY: props.lineage,
        ...notificationVariables(props),
      },
    });
    this.releaseRun = new HandlerFunction(this, 'ReleaseRun', {
      ...props,
      entry: 'training/release-run',
      contract: ReleaseRunEnvironment,
      timeout: Duration.minutes(1),
      environment: {
        REGISTRY_TABLE: registry.tableName,
        STATE_MACHINE_ARN: props.stateMachineArn,
        ...notificationVariables(props),
      },
    });
    for (const control of [this.requestRun, this.releaseRun]) {
      grantRegistry(control, registry, 'write and delete');
      grantJobCosts(control, model.name);
      grantNotifications(control, props);
      explainWildcard(control, ':*', 'an execution is named when it starts');
      control.configureAsyncInvoke({
        retryAttempts: 2,
        onFailure: new SqsDestination(deadLetters),
      });
      control.addToRolePolicy(
        new PolicyStatement({
          actions: ['states:StartExecution'],
          resources: [props.stateMachineArn],
        }),
      );
      control.addToRolePolicy(
        new PolicyStatement({
          actions: ['states:DescribeExecution'],
          resources: [props.executionsArn],
        }),
      );
    }

    new Rule(this, 'Drop', {
      description: `Something was dropped for ${model.name}`,
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: {
          bucket: { name: [data.bucketName] },
          object: { key: [{ prefix: `landing/${model.name}/` }] },
        },
      },
      targets: [
        new LambdaTarget(this.requestRun, {
          event: RuleTargetInput.fromObject({
            kind: 'drop',
            key: EventField.fromPath('$.detail.object.key'),
          }),
          deadLetterQueue: deadLetters,
          retryAttempts: 8,
        }),
      ],
    });
    // An alarm that stays in ALARM goes off once, and a cooldown's end is no event.
    new Rule(this, 'Tick', {
      description: `Kept wishes for a training of ${model.name} are looked at again`,
      schedule: Schedule.rate(Duration.minutes(props.driftCheckMinutes)),
      targets: [
        new LambdaTarget(this.requestRun, {
          event: RuleTargetInput.fromObject({ kind: 'tick', time: EventField.time }),
          deadLetterQueue: deadLetters,
          retryAttempts: 2,
        }),
      ],
    });
    new Rule(this, 'EndedBadly', {
      description: `A run of ${model.name} failed, timed out or was stopped`,
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          stateMachineArn: [props.stateMachineArn],
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
        },
      },
      targets: [
        new LambdaTarget(this.releaseRun, { deadLetterQueue: deadLetters, retryAttempts: 8 }),
      ],
    });
  }
}
