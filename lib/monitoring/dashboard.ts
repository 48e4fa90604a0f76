import { Duration, Stack } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmStatusWidget,
  Dashboard as CloudWatchDashboard,
  CustomWidget,
  DashboardVariable,
  DefaultValue,
  GraphWidget,
  type HorizontalAnnotation,
  type IMetric,
  type IWidget,
  Metric,
  PeriodOverride,
  Stats,
  Values,
  VariableInputType,
  VariableType,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { CacheMetrics } from '../../core/inference/cache/cache-usage.ts';
import { ServingMetrics } from '../../core/inference/serving-metrics.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { driftReportPrefix } from '../../core/monitoring/drift-report.ts';
import { verdictPrefix } from '../../core/training/verdict.ts';
import { CheckMetrics } from '../../lambdas/monitoring/check-drift.contract.ts';
import { ShowReportEnvironment } from '../../lambdas/monitoring/show-report.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { grantListing, grantObjects } from '../runtime/model-context.ts';

export interface DashboardProps {
  readonly environment: string;
  readonly models: readonly [ModelDefinition, ...ModelDefinition[]];
  readonly data: IBucket;
  readonly deadLetters: IQueue;
  readonly logRetention: RetentionDays;
  readonly alarmPeriodMinutes: number;
  readonly driftCheckMinutes: number;
}

/** Stands in the dashboard's text for the model that is chosen; CloudWatch replaces it. */
const chosenModel = '__model__';

/** For each distinct limit of the models a line, which says whose it is where they differ. */
function limitLines(
  models: readonly ModelDefinition[],
  limitOf: (model: ModelDefinition) => number,
  label: string,
): HorizontalAnnotation[] {
  const groups = Map.groupBy(models, limitOf);
  return [...groups].map(([value, group]) => ({
    value,
    color: '#d13212',
    label: groups.size === 1 ? label : `${label}: ${group.map(({ name }) => name).join(', ')}`,
  }));
}

/** One dashboard of an environment, for the model that is chosen at its top. */
export class Dashboard extends Construct {
  readonly showReport: HandlerFunction<typeof ShowReportEnvironment>;
  private readonly props: DashboardProps;

  constructor(scope: Construct, id: string, props: DashboardProps) {
    super(scope, id);
    this.props = props;
    const { environment, models } = props;
    this.showReport = this.createShowReport();
    const dashboard = new CloudWatchDashboard(this, 'Models', {
      dashboardName: `Slipway-${environment}`,
      defaultInterval: Duration.days(3),
      // A point a check and a point a request period, however long the time that is looked at.
      periodOverride: PeriodOverride.INHERIT,
      widgets: [
        [this.alarms()],
        [this.drift(), this.quality()],
        [this.traffic(), this.latency(), this.errors()],
        ...(models.some(({ serving }) => serving.cache) ? [[this.cache(), this.saved()]] : []),
        [this.runs(), this.cost(), this.deadLetters()],
        ...this.streams(),
        [this.report()],
      ],
    });
    dashboard.addVariable(
      new DashboardVariable({
        id: 'model',
        label: 'Model',
        type: VariableType.PATTERN,
        value: chosenModel,
        inputType: VariableInputType.SELECT,
        values: Values.fromValues(...models.map(({ name }) => ({ label: name, value: name }))),
        defaultValue: DefaultValue.value(models[0].name),
        visible: true,
      }),
    );
  }

  private createShowReport(): HandlerFunction<typeof ShowReportEnvironment> {
    const { data, models } = this.props;
    const names = models.map(({ name }) => name);
    const showReport = new HandlerFunction(this, 'ShowReport', {
      ...this.props,
      entry: 'monitoring/show-report',
      contract: ShowReportEnvironment,
      environment: { DATA_BUCKET: data.bucketName, MODELS: JSON.stringify(names) },
    });
    const shown = names.flatMap((name) => [driftReportPrefix(name), verdictPrefix(name)]);
    grantListing(showReport, data, shown);
    grantObjects(showReport, data, ['read'], shown);
    return showReport;
  }

  private alarms(): IWidget {
    const { environment, models } = this.props;
    const ofModel = [
      'features-drifted',
      'predictions-drifted',
      'quality-dropped',
      'latency-high',
      'errors',
    ];
    if (models.some(({ monitoring }) => monitoring.expectTrafficEveryHours !== undefined)) {
      ofModel.push('no-traffic');
    }
    const names = [
      ...ofModel.map((name) => `slipway-${environment}-${chosenModel}-${name}`),
      `slipway-${environment}-dead-letters`,
    ];
    const alarms = names.map((name, at) => {
      const arn = Stack.of(this).formatArn({
        service: 'cloudwatch',
        resource: `alarm:${name}`,
      });
      return Alarm.fromAlarmArn(this, `Alarm${at}`, arn);
    });
    return new AlarmStatusWidget({ title: 'Alarms', alarms, width: 24, height: 3 });
  }

  private drift(): IWidget {
    const { models } = this.props;
    return new GraphWidget({
      title: 'Drift',
      width: 12,
      height: 6,
      left: [
        this.ofChecks(CheckMetrics.worstPsi, 'worst feature, PSI'),
        this.ofChecks(CheckMetrics.predictionPsi, 'predictions, PSI'),
      ],
      right: [this.ofChecks(CheckMetrics.driftedFeatures, 'drifted features')],
      leftAnnotations: limitLines(models, (model) => model.monitoring.psiThreshold, 'drift'),
      leftYAxis: { min: 0, label: 'PSI', showUnits: false },
      rightYAxis: { min: 0, label: 'features', showUnits: false },
    });
  }

  private quality(): IWidget {
    const { models } = this.props;
    const limits = limitLines(models, (model) => model.monitoring.quality.maximumDrop, 'too much');
    return new GraphWidget({
      title: 'Quality, and how much of it is known',
      width: 12,
      height: 6,
      left: [this.ofChecks(CheckMetrics.qualityDrop, 'worse than on the holdout')],
      right: [this.ofChecks(CheckMetrics.labelCoverage, 'share of predictions with a label')],
      leftAnnotations: limits,
      leftYAxis: { min: 0, label: "the metric's units", showUnits: false },
      rightYAxis: { min: 0, max: 1, showUnits: false },
    });
  }

  private traffic(): IWidget {
    return this.graph('Requests', [
      this.ofRequests(ServingMetrics.latencyMs, Stats.SAMPLE_COUNT, 'answered'),
    ]);
  }

  private latency(): IWidget {
    const { models } = this.props;
    return this.graph(
      'Latency',
      [
        ...[50, 95].map((percent) =>
          this.ofRequests(ServingMetrics.latencyMs, Stats.percentile(percent), `p${percent}`),
        ),
        // Of a task; where functions answer nothing waits.
        ...(models.some(({ serving }) => serving.target === 'ecs')
          ? [this.ofRequests(ServingMetrics.queuedWorkMs, Stats.AVERAGE, 'waiting in a task')]
          : []),
      ],
      'ms',
      limitLines(models, (model) => model.monitoring.latencyP95Ms, 'p95 too high'),
    );
  }

  private errors(): IWidget {
    return this.graph('Errors', [
      this.ofRequests(ServingMetrics.errors, Stats.SUM, 'errors'),
      this.ofRequests(ServingMetrics.logDropped, Stats.SUM, 'predictions that were not logged'),
    ]);
  }

  private cache(): IWidget {
    return new GraphWidget({
      title: 'Cache',
      width: 12,
      height: 6,
      left: [
        this.ofRequests(CacheMetrics.hits, Stats.SUM, 'rows found'),
        this.ofRequests(CacheMetrics.misses, Stats.SUM, 'rows looked up and computed'),
      ],
      right: [this.ofRequests(CacheMetrics.leftOut, Stats.MAXIMUM, 'left out: it does not pay')],
      leftYAxis: { min: 0, label: 'rows', showUnits: false },
      rightYAxis: { min: 0, max: 1, showUnits: false },
    });
  }

  private saved(): IWidget {
    return new GraphWidget({
      title: 'Saved by the cache: computing less looking up, at the list price of its time',
      width: 12,
      height: 6,
      left: [this.ofRequests(CacheMetrics.savedUsd, Stats.SUM, 'saved')],
      leftYAxis: { label: 'USD', showUnits: false },
    });
  }

  /** Only where a model has streams; they are called after it. */
  private streams(): IWidget[][] {
    const { environment, models } = this.props;
    if (models.every(({ serving }) => serving.streaming === undefined)) return [];
    const of = (stream: string, metricName: string, statistic: string, label: string) =>
      new Metric({
        namespace: 'AWS/Kinesis',
        metricName,
        dimensionsMap: { StreamName: `slipway-${environment}-${chosenModel}-${stream}` },
        statistic,
        period: Duration.minutes(this.props.alarmPeriodMinutes),
        label,
      });
    const records = 'IncomingRecords';
    return [
      [
        this.graph('Events', [
          of('events', records, Stats.SUM, 'came'),
          of('results', records, Stats.SUM, 'answered'),
        ]),
        this.graph(
          'Events that wait',
          [of('events', 'GetRecords.IteratorAgeMilliseconds', Stats.MAXIMUM, 'oldest')],
          'ms',
        ),
      ],
    ];
  }

  private runs(): IWidget {
    const StateMachineArn = Stack.of(this).formatArn({
      service: 'states',
      resource: `stateMachine:slipway-${this.props.environment}-${chosenModel}`,
    });
    const executions = (outcome: string) =>
      new Metric({
        namespace: 'AWS/States',
        metricName: `Executions${outcome}`,
        dimensionsMap: { StateMachineArn },
        statistic: Stats.SUM,
        period: Duration.hours(1),
        label: outcome.replace(/(?<=[a-z])[A-Z]/g, ' $&').toLowerCase(),
      });
    return this.graph(
      'Runs',
      ['Started', 'Succeeded', 'Failed', 'TimedOut', 'Aborted'].map(executions),
    );
  }

  private cost(): IWidget {
    return this.graph(
      'Training this month',
      [this.ofChecks(CheckMetrics.monthToDateCost, 'spent')],
      'USD',
    );
  }

  private deadLetters(): IWidget {
    const waiting = this.props.deadLetters.metricApproximateNumberOfMessagesVisible({
      label: 'messages',
      statistic: Stats.MAXIMUM,
    });
    return this.graph('Dead letters of all models', [waiting]);
  }

  private report(): IWidget {
    return new CustomWidget({
      title: 'Newest report',
      functionArn: this.showReport.functionArn,
      params: { model: chosenModel },
      updateOnTimeRangeChange: false,
      width: 24,
      height: 24,
    });
  }

  private graph(
    title: string,
    left: IMetric[],
    label?: string,
    leftAnnotations: HorizontalAnnotation[] = [],
  ): IWidget {
    const leftYAxis = { min: 0, showUnits: false, ...(label !== undefined && { label }) };
    return new GraphWidget({ title, width: 8, height: 6, left, leftYAxis, leftAnnotations });
  }

  private ofChecks(name: string, label: string): IMetric {
    return this.metric(name, Stats.MAXIMUM, this.props.driftCheckMinutes, label);
  }

  private ofRequests(name: string, statistic: string, label: string): IMetric {
    return this.metric(name, statistic, this.props.alarmPeriodMinutes, label);
  }

  private metric(metricName: string, statistic: string, minutes: number, label: string): IMetric {
    return new Metric({
      namespace: 'Slipway',
      metricName,
      dimensionsMap: { Model: chosenModel },
      statistic,
      period: Duration.minutes(minutes),
      label,
    });
  }
}
