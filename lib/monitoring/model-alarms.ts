import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  type AlarmProps,
  ComparisonOperator,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { ServingMetrics } from '../../core/inference/serving-metrics.ts';
import { CheckMetrics } from '../../lambdas/monitoring/check-drift.contract.ts';
import type { ModelContext } from '../runtime/model-context.ts';

export interface ModelAlarmsProps extends ModelContext {
  /** What the names of the model's alarms begin with. */
  readonly alarmPrefix: string;
  readonly driftCheckMinutes: number;
  /** Of what is measured with each request. */
  readonly alarmPeriodMinutes: number;
  /** Absent where tasks answer. */
  readonly predict: IFunction | undefined;
}

interface ModelAlarm extends Pick<AlarmProps, 'metric' | 'threshold'> {
  readonly name: string;
  /** What it means; the runbook's address follows. */
  readonly means: string;
  readonly tells: ITopic;
}

const { GREATER_THAN_OR_EQUAL_TO_THRESHOLD, GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } =
  ComparisonOperator;

/** Two of three, so that one odd period tells nobody; what is missing changes nothing. */
const twoOfThree = {
  evaluationPeriods: 3,
  datapointsToAlarm: 2,
  treatMissingData: TreatMissingData.IGNORE,
  comparisonOperator: GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
};

/** All alarms of a model, at most six, because each is billed. The first three start a retraining. */
export class ModelAlarms extends Construct {
  private readonly props: ModelAlarmsProps;

  constructor(scope: Construct, id: string, props: ModelAlarmsProps) {
    super(scope, id);
    this.props = props;
    this.watchChecks();
    this.watchAnswers();
    const { expectTrafficEveryHours } = props.model.monitoring;
    if (expectTrafficEveryHours !== undefined) this.watchTraffic(expectTrafficEveryHours);
  }

  private watchChecks(): void {
    const { model, notifications, driftCheckMinutes } = this.props;
    const { name, monitoring } = model;
    const ofChecks = (metricName: string) =>
      this.metric(metricName, Stats.MAXIMUM, driftCheckMinutes);
    this.alarm('FeaturesDrifted', twoOfThree, {
      name: 'features-drifted',
      means: `What ${name} is asked about is spread otherwise than what it was trained on`,
      metric: ofChecks(CheckMetrics.driftedFeatures),
      threshold: 1,
      tells: notifications.news,
    });
    this.alarm('PredictionsDrifted', twoOfThree, {
      name: 'predictions-drifted',
      means: `What ${name} answers is spread otherwise than on its holdout`,
      metric: ofChecks(CheckMetrics.predictionPsi),
      threshold: monitoring.psiThreshold,
      tells: notifications.news,
    });
    this.alarm('QualityDropped', twoOfThree, {
      name: 'quality-dropped',
      means: `What ${name} answered turned out worse than on its holdout`,
      metric: ofChecks(CheckMetrics.qualityDrop),
      threshold: monitoring.quality.maximumDrop,
      tells: notifications.pages,
    });
  }

  private watchAnswers(): void {
    const { alarmPeriodMinutes, model, notifications } = this.props;
    const limitMs = model.monitoring.latencyP95Ms;
    this.alarm(
      'LatencyHigh',
      { ...twoOfThree, comparisonOperator: GREATER_THAN_THRESHOLD },
      {
        name: 'latency-high',
        means: `One answer in twenty of ${model.name} takes more than ${limitMs} ms`,
        metric: this.metric(ServingMetrics.latencyMs, Stats.percentile(95), alarmPeriodMinutes),
        threshold: limitMs,
        tells: notifications.pages,
      },
    );
    this.alarm('Errors', twoOfThree, {
      name: 'errors',
      means: `${model.name} fails to answer, or a version of it could not be loaded`,
      metric: this.metric(ServingMetrics.errors, Stats.SUM, alarmPeriodMinutes),
      threshold: 1,
      tells: notifications.pages,
    });
  }

  /**
   * What nobody calls has no data points, so silence is a lack of data, which is what this alarm
   * tells. Before the first request there is none either: the alarm is in INSUFFICIENT_DATA from the
   * start, and an action needs a change of state. The first request takes it to OK; as many silent hours as
   * were declared take it back, and that is told. (CloudWatch looks some periods further back for data
   * before it calls them missing, so it may be told an hour or two late.)
   */
  private watchTraffic(hours: number): void {
    const { model, notifications, predict } = this.props;
    const alarm = this.alarm(
      'NoTraffic',
      {
        evaluationPeriods: hours,
        datapointsToAlarm: hours,
        treatMissingData: TreatMissingData.MISSING,
        comparisonOperator: LESS_THAN_THRESHOLD,
      },
      {
        name: 'no-traffic',
        means: `Nobody has asked ${model.name} for ${hours} hours`,
        metric:
          predict?.metricInvocations({ statistic: Stats.SUM, period: Duration.hours(1) }) ??
          this.metric(ServingMetrics.latencyMs, Stats.SAMPLE_COUNT, 60),
        threshold: 1,
        tells: notifications.pages,
      },
    );
    alarm.addInsufficientDataAction(new SnsAction(notifications.pages));
  }

  private metric(metricName: string, statistic: string, minutes: number): Metric {
    return new Metric({
      namespace: 'Slipway',
      metricName,
      dimensionsMap: { Model: this.props.model.name },
      statistic,
      period: Duration.minutes(minutes),
    });
  }

  private alarm(
    id: string,
    rule: Omit<AlarmProps, 'metric' | 'threshold'>,
    { name, means, metric, threshold, tells }: ModelAlarm,
  ): Alarm {
    const { alarmPrefix, model } = this.props;
    const owner = model.monitoring.owner === undefined ? '' : ` Owner: ${model.monitoring.owner}.`;
    const alarm = new Alarm(this, id, {
      ...rule,
      alarmName: `${alarmPrefix}-${name}`,
      alarmDescription: `${means}.${owner} What to do: docs/runbook.md#slipway-env-model-${name}`,
      metric,
      threshold,
    });
    alarm.addAlarmAction(new SnsAction(tells));
    alarm.addOkAction(new SnsAction(tells));
    return alarm;
  }
}
