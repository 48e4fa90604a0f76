import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { AttributeType, Billing, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SqsQueue as QueueTarget } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import type { CfnDeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import { EventSourceMapping, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { ServingSection } from '../../core/model/serving-section.ts';
import {
  PredictEventsEnvironment,
  resultsOnBus,
} from '../../lambdas/inference/predict-events.contract.ts';
import { grantActions, grantEndpointUse } from '../runtime/endpoint-grants.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantListing,
  grantObjects,
  grantRegistry,
  type ModelContext,
} from '../runtime/model-context.ts';
import { explainWildcard, waive } from '../runtime/waivers.ts';

export interface EventStreamProps extends ModelContext {
  readonly environment: string;
  /** What the streams' names begin with. */
  readonly namePrefix: string;
  readonly streaming: NonNullable<ServingSection['streaming']>;
  readonly predictionLog: CfnDeliveryStream;
}

/** Lambda names what it sets aside after the mapping, below this. */
const setAsidePrefix = 'aws/lambda/';
/** Records of one run: what is answered together waits for the slowest of them. */
const batchRecords = 250;
/** With the function's own pauses, ten minutes in which something may be out of order. */
const attemptsBesidesTheFirst = 30;
const defaultMemoryMb = 1_769;

/**
 * A model's streams: events in, results out to a stream and to the account's event bus. Both are called
 * after the model, so that producers and the dashboard know them.
 */
export class EventStream extends Construct {
  readonly events: Stream;
  readonly results: Stream;
  readonly predictEvents: HandlerFunction<typeof PredictEventsEnvironment>;

  constructor(scope: Construct, id: string, props: EventStreamProps) {
    super(scope, id);
    this.events = this.stream('Events', `${props.namePrefix}-events`, props);
    this.results = this.stream('Results', `${props.namePrefix}-results`, props);
    this.predictEvents = this.createFunction(props, this.createTable());
    this.readEvents(props);
  }

  private stream(id: string, streamName: string, { streaming }: EventStreamProps): Stream {
    return new Stream(this, id, {
      streamName,
      streamMode: StreamMode.PROVISIONED,
      shardCount: streaming.shards,
      encryption: StreamEncryption.MANAGED,
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }

  private createTable(): TableV2 {
    const table = new TableV2(this, 'Published', {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      timeToLiveAttribute: 'expiresAt',
      billing: Billing.onDemand(),
      encryption: TableEncryptionV2.awsManagedKey(),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    waive(
      table,
      'AwsSolutions-DDB3',
      'it remembers for some days what was published; an older state of it would publish again',
    );
    return table;
  }

  private createFunction(
    props: EventStreamProps,
    published: TableV2,
  ): HandlerFunction<typeof PredictEventsEnvironment> {
    const { artifacts, data, environment, model, predictionLog, registry } = props;
    const predictEvents = new HandlerFunction(this, 'PredictEvents', {
      ...props,
      entry: 'inference/predict-events',
      contract: PredictEventsEnvironment,
      layers: [props.onnxruntime],
      memoryMb: model.serving.target === 'lambda' ? model.serving.memoryMb : defaultMemoryMb,
      // An answer, a wait for one who died while publishing, and a round of publishing.
      timeout: Duration.seconds(90),
      environment: {
        MODEL_NAME: model.name,
        REGISTRY_TABLE: registry.tableName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
        DATA_BUCKET: data.bucketName,
        PREDICTION_STREAM: predictionLog.ref,
        PREDICTION_LOG_SAMPLE_RATE: String(model.serving.predictionLog?.sampleRate ?? 1),
        RESULTS_TABLE: published.tableName,
        RESULTS_STREAM: this.results.streamName,
        RESULTS_BUS: 'default',
        RESULTS_ORIGIN: `/slipway/${environment}/${model.name}`,
      },
    });
    grantObjects(predictEvents, artifacts, ['read'], [`models/${model.name}/`]);
    grantListing(predictEvents, artifacts, [`models/${model.name}/`]);
    grantRegistry(predictEvents, registry, 'read');
    grantEndpointUse(predictEvents, model.name);
    grantActions(predictEvents, ['firehose:PutRecordBatch'], [predictionLog.attrArn]);
    grantActions(
      predictEvents,
      ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
      [published.tableArn],
    );
    grantActions(predictEvents, ['kinesis:PutRecords'], [this.results.streamArn]);
    grantObjects(predictEvents, data, ['write'], [`quarantine/${model.name}/streaming/`]);
    this.letTellBus(predictEvents);
    return predictEvents;
  }

  /** Results alone, on the bus that every account has. */
  private letTellBus(predictEvents: HandlerFunction<typeof PredictEventsEnvironment>): void {
    const bus = { service: 'events', resource: 'event-bus', resourceName: 'default' };
    predictEvents.addToRolePolicy(
      new PolicyStatement({
        actions: ['events:PutEvents'],
        resources: [Stack.of(this).formatArn(bus)],
        conditions: { StringEquals: { 'events:source': resultsOnBus.source } },
      }),
    );
  }

  /** What the function cannot get done is set aside with its records, and somebody is told. */
  private readEvents({ data, deadLetters, model }: EventStreamProps): void {
    const { events, predictEvents } = this;
    grantActions(
      predictEvents,
      [
        'kinesis:DescribeStream',
        'kinesis:DescribeStreamSummary',
        'kinesis:GetRecords',
        'kinesis:GetShardIterator',
        'kinesis:ListShards',
      ],
      [events.streamArn],
    );
    grantActions(predictEvents, ['s3:PutObject'], [data.arnForObjects(`${setAsidePrefix}*`)]);
    // Lambda asks for the whole bucket before it takes it as a destination.
    grantActions(predictEvents, ['s3:ListBucket'], [data.bucketArn]);
    explainWildcard(
      predictEvents,
      `/${setAsidePrefix}*`,
      'Lambda names what it sets aside after the event source mapping',
    );
    const mapping = new EventSourceMapping(this, 'Reader', {
      target: predictEvents,
      eventSourceArn: events.streamArn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: batchRecords,
      bisectBatchOnError: true,
      reportBatchItemFailures: true,
      retryAttempts: attemptsBesidesTheFirst,
      onFailure: { bind: () => ({ destination: data.bucketArn }) },
    });
    // Lambda looks at the rights when it makes the mapping.
    mapping.node.addDependency(predictEvents.role ?? predictEvents);
    const key = `${setAsidePrefix}${mapping.eventSourceMappingId}/`;
    new Rule(this, 'SetAside', {
      description: `Records of ${model.name}'s events were set aside`,
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: { bucket: { name: [data.bucketName] }, object: { key: [{ prefix: key }] } },
      },
      targets: [
        new QueueTarget(deadLetters, {
          message: RuleTargetInput.fromObject({
            what: 'records of a stream were set aside',
            model: model.name,
            function: predictEvents.functionName,
            bucket: data.bucketName,
            key: EventField.fromPath('$.detail.object.key'),
          }),
        }),
      ],
    });
  }
}
