import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  type AlarmProps,
  ComparisonOperator,
  type IMetric,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { EventField, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Construct } from 'constructs';
import {
  CheckDriftEnvironment,
  CheckMetrics,
} from '../../lambdas/monitoring/check-drift.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantListing,
  grantObjects,
  grantRegistry,
  type ModelContext,
} from '../runtime/model-context.ts';

export interface DriftCheckProps extends ModelContext {
  readonly driftCheckMinutes: number;
  /** What the names of the model's alarms begin with. */
  readonly alarmPrefix: string;
}

/**
 * Compares what the live version answers with what it was trained on, on a schedule, and alarms.
 */
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
    this.alarm('FeaturesDrifted', 'features-drifted', this.metric(CheckMetrics.driftedFeatures), {
      alarmDescription: `What ${name} is asked about is spread otherwise than what it was trained on; docs/runbook.md says what to do`,
      threshold: 1,
      evaluationPeriods: 3,
      datapointsToAlarm: 2,
    });
    this.alarm(
      'PredictionsDrifted',
      'predictions-drifted',
      this.metric(CheckMetrics.predictionPsi),
      {
        alarmDescription: `What ${name} answers is spread otherwise than on its holdout; docs/runbook.md says what to do`,
        threshold: props.model.monitoring.psiThreshold,
        evaluationPeriods: 3,
        datapointsToAlarm: 2,
      },
    );
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
    grantRegistry(check, registry, 'read');
    const read = [`predictions/${name}/`, `labelled/${name}/`];
    grantListing(check, data, read);
    grantObjects(check, data, ['read'], read);
    grantObjects(check, data, ['write'], [`reports/${name}/drift/`]);
    grantObjects(check, artifacts, ['read'], [`models/${name}/`]);
    return check;
  }

  private metric(metricName: string): IMetric {
    return new Metric({
      namespace: 'Slipway',
      metricName,
      dimensionsMap: { Model: this.props.model.name },
      statistic: Stats.MAXIMUM,
      period: Duration.minutes(this.props.driftCheckMinutes),
    });
  }

  private alarm(
    id: string,
    name: string,
    metric: IMetric,
    props: Omit<AlarmProps, 'metric'>,
  ): void {
    const alarm = new Alarm(this, id, {
      ...props,
      alarmName: `${this.props.alarmPrefix}-${name}`,
      metric,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.IGNORE,
    });
    const action = new SnsAction(this.props.notifications.news);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
  }
}
