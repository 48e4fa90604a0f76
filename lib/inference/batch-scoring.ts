import { ArnFormat, Duration, Size, Stack } from 'aws-cdk-lib';
import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget, SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import {
  Choice,
  Condition,
  JsonPath,
  Map as MapState,
  type StateMachine,
  Succeed,
  TaskInput,
} from 'aws-cdk-lib/aws-stepfunctions';
import { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import { Construct } from 'constructs';
import {
  batchDropPrefix,
  batchResultsPrefix,
  batchUploadPrefix,
} from '../../core/inference/files/batch-documents.ts';
import { FinishBatchEnvironment } from '../../lambdas/inference/finish-batch.contract.ts';
import { PlanBatchEnvironment } from '../../lambdas/inference/plan-batch.contract.ts';
import { ScoreShardEnvironment } from '../../lambdas/inference/score-shard.contract.ts';
import { grantEndpointUse } from '../runtime/endpoint-grants.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { LoggedStateMachine } from '../runtime/logged-state-machine.ts';
import {
  grantListing,
  grantNotifications,
  grantObjects,
  grantRegistry,
  type ModelContext,
  notificationVariables,
} from '../runtime/model-context.ts';
import { explainWildcard } from '../runtime/waivers.ts';

export interface BatchScoringProps extends ModelContext {
  /** As in slipway-prod-churn_batch. */
  readonly stateMachineName: string;
}

/**
 * Scores whole files: what is dropped under batch/<model>/, and what the command line brings. One version
 * answers all of it; shards are scored side by side, each once. Input is {trigger, key, versionId?, version?}.
 */
export class BatchScoring extends Construct {
  readonly stateMachine: StateMachine;
  private readonly props: BatchScoringProps;

  constructor(scope: Construct, id: string, props: BatchScoringProps) {
    super(scope, id);
    this.props = props;
    const finishBatch = this.finishing();
    this.stateMachine = new LoggedStateMachine(this, 'StateMachine', {
      stateMachineName: props.stateMachineName,
      definition: this.definition(finishBatch),
      timeout: Duration.days(1),
      logRetention: props.logRetention,
    });
    this.startOnDrop();
    this.tellOfFailures(finishBatch);
  }

  private definition(finishBatch: HandlerFunction<typeof FinishBatchEnvironment>): LambdaInvoke {
    const [key, trigger] = [JsonPath.stringAt('$.key'), JsonPath.stringAt('$.trigger')];
    const plan = this.task('PlanBatch', this.planning(), undefined, '$.plan');
    const score = this.task('ScoreShard', this.scoring(), {
      prefix: JsonPath.stringAt('$.prefix'),
      shard: JsonPath.numberAt('$.shard'),
    });
    const shards = new MapState(this, 'ScoreShards', {
      comment: 'A shard that was scored before is only looked at',
      itemsPath: '$.plan.shards',
      maxConcurrencyPath: '$.plan.atOnce',
      itemSelector: {
        prefix: JsonPath.stringAt('$.plan.prefix'),
        shard: JsonPath.numberAt('$$.Map.Item.Value'),
      },
      resultPath: JsonPath.DISCARD,
    }).itemProcessor(score);
    const ended = new Succeed(this, 'Ended');
    const finish = this.task(
      'FinishBatch',
      finishBatch,
      {
        key,
        trigger,
        prefix: JsonPath.stringAt('$.plan.prefix'),
      },
      '$.finish',
    );
    const refuse = this.task(
      'RefuseBatch',
      finishBatch,
      {
        key,
        trigger,
        reasons: JsonPath.listAt('$.plan.reasons'),
      },
      '$.finish',
    );
    plan.next(
      new Choice(this, 'CanBeScored')
        .when(Condition.stringEquals('$.plan.outcome', 'planned'), shards.next(finish).next(ended))
        .otherwise(refuse.next(ended)),
    );
    return plan;
  }

  private task(
    id: string,
    step: IFunction,
    payload: Record<string, unknown> | undefined,
    resultPath?: string,
  ): LambdaInvoke {
    const task = new LambdaInvoke(this, id, {
      lambdaFunction: step,
      ...(payload && { payload: TaskInput.fromObject(payload) }),
      payloadResponseOnly: true,
      ...(resultPath !== undefined && { resultPath }),
    });
    // The account's concurrency was used up: the endpoint goes first, and a batch has time.
    task.addRetry({
      errors: ['Lambda.TooManyRequestsException'],
      interval: Duration.seconds(5),
      maxAttempts: 20,
      backoffRate: 2,
      maxDelay: Duration.minutes(5),
    });
    // The environment died under it, S3 was away, or a container asleep: each step can be done again.
    task.addRetry({
      errors: [
        'Runtime.ExitError',
        'Lambda.Unknown',
        'ObjectStoreError',
        'ContainerBusyError',
        'ContainerTimeoutError',
      ],
      interval: Duration.seconds(2),
      maxAttempts: 3,
      backoffRate: 2,
    });
    return task;
  }

  private variables() {
    const { artifacts, data, model, registry } = this.props;
    return {
      MODEL_NAME: model.name,
      DATA_BUCKET: data.bucketName,
      ARTIFACTS_BUCKET: artifacts.bucketName,
      REGISTRY_TABLE: registry.tableName,
    };
  }

  private planning(): HandlerFunction<typeof PlanBatchEnvironment> {
    const { artifacts, data, duckdb, model, pipelineMemoryMb, registry } = this.props;
    const plan = new HandlerFunction(this, 'PlanBatchFunction', {
      ...this.props,
      entry: 'inference/plan-batch',
      contract: PlanBatchEnvironment,
      layers: [duckdb],
      memoryMb: pipelineMemoryMb,
      timeout: Duration.minutes(15),
      temporaryStorage: Size.gibibytes(10),
      environment: this.variables(),
    });
    const inputs = [batchDropPrefix(model.name), batchUploadPrefix(model.name)];
    const results = batchResultsPrefix(model.name);
    grantListing(plan, data, [...inputs, results]);
    grantObjects(plan, data, ['read'], [...inputs, results]);
    grantObjects(plan, data, ['write'], [results]);
    grantObjects(plan, artifacts, ['read'], [`models/${model.name}/`]);
    grantRegistry(plan, registry, 'read');
    plan.addToRolePolicy(
      new PolicyStatement({ actions: ['lambda:GetAccountSettings'], resources: ['*'] }),
    );
    explainWildcard(plan, 'Resource::*', 'the settings of the account are no resource');
    return plan;
  }

  private scoring(): HandlerFunction<typeof ScoreShardEnvironment> {
    const { artifacts, data, duckdb, model, onnxruntime, pipelineMemoryMb, registry } = this.props;
    const score = new HandlerFunction(this, 'ScoreShardFunction', {
      ...this.props,
      entry: 'inference/score-shard',
      contract: ScoreShardEnvironment,
      layers: [duckdb, onnxruntime],
      memoryMb: pipelineMemoryMb,
      timeout: Duration.minutes(15),
      temporaryStorage: Size.gibibytes(10),
      environment: this.variables(),
    });
    const inputs = [batchDropPrefix(model.name), batchUploadPrefix(model.name)];
    const results = batchResultsPrefix(model.name);
    grantListing(score, data, [results]);
    grantObjects(score, data, ['read'], [...inputs, results]);
    grantObjects(score, data, ['write'], [results]);
    grantObjects(score, artifacts, ['read'], [`models/${model.name}/`]);
    grantRegistry(score, registry, 'read');
    grantEndpointUse(score, model.name);
    return score;
  }

  private finishing(): HandlerFunction<typeof FinishBatchEnvironment> {
    const { data, model } = this.props;
    const finish = new HandlerFunction(this, 'FinishBatchFunction', {
      ...this.props,
      entry: 'inference/finish-batch',
      contract: FinishBatchEnvironment,
      timeout: Duration.minutes(2),
      environment: {
        MODEL_NAME: model.name,
        DATA_BUCKET: data.bucketName,
        ...notificationVariables(this.props),
      },
    });
    const results = [batchResultsPrefix(model.name)];
    grantListing(finish, data, results);
    grantObjects(finish, data, ['read', 'write', 'delete'], results);
    grantNotifications(finish, this.props);
    return finish;
  }

  private startOnDrop(): void {
    const { data, deadLetters, model } = this.props;
    new Rule(this, 'Drop', {
      description: `A file for ${model.name} to score was dropped`,
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: {
          bucket: { name: [data.bucketName] },
          object: { key: [{ prefix: batchDropPrefix(model.name) }] },
        },
      },
      targets: [
        new SfnStateMachine(this.stateMachine, {
          input: RuleTargetInput.fromObject({
            trigger: 'drop',
            key: EventField.fromPath('$.detail.object.key'),
            versionId: EventField.fromPath('$.detail.object.version-id'),
          }),
          deadLetterQueue: deadLetters,
          retryAttempts: 8,
        }),
      ],
    });
  }

  private tellOfFailures(finishBatch: HandlerFunction<typeof FinishBatchEnvironment>): void {
    const { deadLetters, model, stateMachineName } = this.props;
    new Rule(this, 'EndedBadly', {
      description: `A batch of ${model.name} failed, timed out or was stopped`,
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          stateMachineArn: [
            Stack.of(this).formatArn({
              service: 'states',
              resource: 'stateMachine',
              resourceName: stateMachineName,
              arnFormat: ArnFormat.COLON_RESOURCE_NAME,
            }),
          ],
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
        },
      },
      targets: [new LambdaTarget(finishBatch, { deadLetterQueue: deadLetters, retryAttempts: 8 })],
    });
  }
}
