import { Duration, Size } from 'aws-cdk-lib';
import { EventField, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { SqsQueue as QueueTarget } from 'aws-cdk-lib/aws-events-targets';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { JoinLabelsEnvironment } from '../../lambdas/monitoring/join-labels.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { grantListing, grantObjects, type ModelContext } from '../runtime/model-context.ts';

export interface LabelJoiningProps extends ModelContext {
  readonly predictionLogBufferSeconds: number;
  readonly driftCheckMinutes: number;
}

/** A queue holds messages back for at most five minutes. */
const longestWindowSeconds = 300;

/**
 * Joins labels with the predictions they are about. One queue gathers what came under labels for as long as
 * the prediction log is gathered, so that a burst is one join; and with each drift check it is time to try
 * again what had no prediction.
 */
export class LabelJoining extends Construct {
  readonly joinLabels: HandlerFunction<typeof JoinLabelsEnvironment>;
  private readonly props: LabelJoiningProps;

  constructor(scope: Construct, id: string, props: LabelJoiningProps) {
    super(scope, id);
    this.props = props;
    const { data, model, deadLetters } = props;
    this.joinLabels = this.createFunction();
    const queue = new Queue(this, 'Arrived', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // A batch that fails is tried again once its function could have ended.
      visibilityTimeout: Duration.minutes(20),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount: 3 },
    });
    this.joinLabels.addEventSource(
      new SqsEventSource(queue, {
        batchSize: 1_000,
        maxBatchingWindow: Duration.seconds(
          Math.min(props.predictionLogBufferSeconds, longestWindowSeconds),
        ),
        // Fewer there cannot be. Two at a time do not harm: the next join mends what an older one wrote last.
        maxConcurrency: 2,
      }),
    );
    const target = (message: RuleTargetInput) =>
      new QueueTarget(queue, { message, deadLetterQueue: deadLetters, retryAttempts: 8 });
    new Rule(this, 'LabelsCame', {
      description: `Labels of ${model.name} came`,
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: {
          bucket: { name: [data.bucketName] },
          object: { key: [{ prefix: `labels/${model.name}/` }] },
        },
      },
      targets: [
        target(RuleTargetInput.fromObject({ key: EventField.fromPath('$.detail.object.key') })),
      ],
    });
    new Rule(this, 'TryAgain', {
      description: `Labels of ${model.name} may have their predictions by now`,
      schedule: Schedule.rate(Duration.minutes(props.driftCheckMinutes)),
      targets: [target(RuleTargetInput.fromObject({ time: EventField.time }))],
    });
  }

  private createFunction(): HandlerFunction<typeof JoinLabelsEnvironment> {
    const { data, duckdb, model, pipelineMemoryMb } = this.props;
    const { name } = model;
    const join = new HandlerFunction(this, 'JoinLabels', {
      ...this.props,
      entry: 'monitoring/join-labels',
      contract: JoinLabelsEnvironment,
      layers: [duckdb],
      memoryMb: pipelineMemoryMb,
      timeout: Duration.minutes(10),
      temporaryStorage: Size.gibibytes(10),
      environment: { MODEL_NAME: name, DATA_BUCKET: data.bucketName },
    });
    const written = [`labelled/${name}/`, `reports/${name}/labels/`];
    const read = [`labels/${name}/`, `predictions/${name}/`, ...written];
    grantListing(join, data, read);
    grantObjects(join, data, ['read'], read);
    grantObjects(join, data, ['write'], [...written, `landing/${name}/labelled/`]);
    grantObjects(join, data, ['delete'], [`landing/${name}/labelled/`]);
    return join;
  }
}
