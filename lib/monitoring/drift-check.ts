import { Duration } from 'aws-cdk-lib';
import { EventField, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Construct } from 'constructs';
import { CheckDriftEnvironment } from '../../lambdas/monitoring/check-drift.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantListing,
  grantObjects,
  grantRegistry,
  type ModelContext,
} from '../runtime/model-context.ts';

export interface DriftCheckProps extends ModelContext {
  readonly driftCheckMinutes: number;
}

/** Compares what the live version answers with what it was trained on, on a schedule. */
export class DriftCheck extends Construct {
  readonly checkDrift: HandlerFunction<typeof CheckDriftEnvironment>;
  private readonly props: DriftCheckProps;

  constructor(scope: Construct, id: string, props: DriftCheckProps) {
    super(scope, id);
    this.props = props;
    const { name } = props.model;
    this.checkDrift = this.createFunction();
    const { deadLetters } = props;
    this.checkDrift.configureAsyncInvoke({
      retryAttempts: 2,
      onFailure: new SqsDestination(deadLetters),
    });
    new Rule(this, 'Schedule', {
      description: `Drift of ${name}`,
      schedule: Schedule.rate(Duration.minutes(props.driftCheckMinutes)),
      targets: [
        new LambdaTarget(this.checkDrift, {
          event: RuleTargetInput.fromObject({ time: EventField.time }),
          deadLetterQueue: deadLetters,
          retryAttempts: 2,
        }),
      ],
    });
  }

  private createFunction(): HandlerFunction<typeof CheckDriftEnvironment> {
    const { artifacts, data, model, registry } = this.props;
    const { name } = model;
    const check = new HandlerFunction(this, 'CheckDrift', {
      ...this.props,
      entry: 'monitoring/check-drift',
      contract: CheckDriftEnvironment,
      memoryMb: 1_769,
      timeout: Duration.minutes(10),
      environment: {
        MODEL_NAME: name,
        REGISTRY_TABLE: registry.tableName,
        DATA_BUCKET: data.bucketName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
      },
    });
    // It notes how the live version serves.
    grantRegistry(check, registry, 'write');
    const read = [`predictions/${name}/`, `labelled/${name}/`];
    grantListing(check, data, read);
    grantObjects(check, data, ['read'], read);
    grantObjects(check, data, ['write'], [`reports/${name}/drift/`]);
    grantObjects(check, artifacts, ['read'], [`models/${name}/`]);
    return check;
  }
}
