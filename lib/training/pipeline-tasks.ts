import { Duration } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { type Chain, type State, Succeed, TaskInput } from 'aws-cdk-lib/aws-stepfunctions';
import { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import type { Payload } from './pipeline-facts.ts';

/** The function of each step. */
export interface PipelineSteps {
  readonly awaitQuiet: IFunction;
  readonly takeSnapshot: IFunction;
  readonly validateSnapshot: IFunction;
  readonly quarantineFiles: IFunction;
  readonly planTraining: IFunction;
  readonly buildFeatures: IFunction;
  /** Only where containers answer. */
  readonly deployCandidate?: IFunction | undefined;
  readonly measureCandidate: IFunction;
  readonly evaluateCandidate: IFunction;
  readonly registerVersion: IFunction;
  readonly stageVersion: IFunction;
  readonly promoteVersion: IFunction;
  readonly finishRun: IFunction;
}

/** Makes the states of a pipeline that do something, and knows them all. */
export class PipelineTasks {
  /** The states that a retry can enter at: every one that does something. */
  readonly entrances: State[] = [];
  private readonly scope: Construct;
  private readonly finishRun: IFunction;
  private ended?: Succeed;

  constructor(scope: Construct, finishRun: IFunction) {
    this.scope = scope;
    this.finishRun = finishRun;
  }

  /** A run's last step: its outcome is recorded and the lock freed. */
  finish(id: string, payload: Payload): Chain {
    this.ended ??= new Succeed(this.scope, 'Ended');
    return this.task(id, this.finishRun, '$.finish', payload).next(this.ended);
  }

  /** A step, with the payload, or else with all that the run knows. */
  task(id: string, step: IFunction, resultPath: string, payload?: Payload): LambdaInvoke {
    const task = new LambdaInvoke(this.scope, id, {
      lambdaFunction: step,
      ...(payload && { payload: TaskInput.fromObject(payload) }),
      payloadResponseOnly: true,
      resultPath,
    });
    this.entrances.push(task);
    // The account's concurrency was used up: a young account has 10 for all its functions.
    task.addRetry({
      errors: ['Lambda.TooManyRequestsException'],
      interval: Duration.seconds(2),
      maxAttempts: 8,
      backoffRate: 2,
    });
    // The function's environment died under it: every step can be run again.
    task.addRetry({
      errors: ['Runtime.ExitError', 'Lambda.Unknown'],
      interval: Duration.seconds(1),
      maxAttempts: 2,
      backoffRate: 2,
    });
    return task;
  }
}
