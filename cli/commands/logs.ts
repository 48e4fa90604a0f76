import type { Command } from 'commander';
import { isUserFailure } from '../../core/training/user-failure.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import type { Deployment } from '../deployment.ts';
import { enteredStates, failureOf, secondsPerState } from '../execution-history.ts';
import {
  containerLog,
  functionLog,
  jobDescription,
  readableCause,
  trainerLog,
} from '../failure-logs.ts';
import { runsJob, trainingJobOf } from '../follow-run.ts';
import { describeRun, executionOf, findRun } from '../runs.ts';
import { styled } from '../terminal.ts';

/** Everything that is known of how a run went. */
async function collect(deployment: Deployment, runId: string) {
  const run = await findRun(deployment, runId);
  const events = await executionOf(deployment.model(run.model), runId).history();
  const states = enteredStates(events);
  const failure = failureOf(events);
  const job = states.map(trainingJobOf).findLast((name) => name !== undefined);
  const failedFunction = failure && !runsJob(failure.state);
  return {
    run,
    steps: [...secondsPerState(states)].map(([step, spent]) => ({ step, seconds: spent })),
    failure: failure
      ? { step: failure.state?.name ?? null, error: failure.error, cause: failure.cause }
      : null,
    functionLog: failedFunction ? await functionLog(events) : [],
    training: job === undefined ? null : { job, ...(await jobDescription(job)) },
    trainerLog: job === undefined ? [] : await trainerLog(job),
    containerLog: job === undefined ? [] : await containerLog(job),
  };
}
type Collected = Awaited<ReturnType<typeof collect>>;

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', styled('bold', title), ...lines.map((line) => `  ${line}`)];

function describe(collected: Collected): string[] {
  const { containerLog, failure, functionLog, run, steps, training, trainerLog } = collected;
  const job = training ? `Training job ${training.job}: ${training.status ?? 'never created'}` : '';
  return [
    ...describeRun(run),
    ...section(
      'Steps',
      steps.map(({ step, seconds }) => `${step.padEnd(20)} ${seconds.toFixed(1)} s`),
    ),
    // Of the user's own code the reasons above say it already.
    ...(failure && !isUserFailure(run.reasons)
      ? section(
          `${failure.step ?? 'The run'} failed: ${failure.error}`,
          readableCause(failure.cause),
        )
      : []),
    ...section('Log of the function', functionLog),
    ...section(job, isUserFailure(run.reasons) ? [] : (training?.failureReason?.split('\n') ?? [])),
    ...section('Log of the trainer', trainerLog),
    ...section('Log of the container', containerLog),
  ];
}

export const logsCommand = (): Command =>
  deployedCommand({
    usage: 'logs <run>',
    description: 'how a run went: its steps, and of a failed one the whole traceback',
    examples: [
      'slipway logs flight-delay-20260101T000000-0a1b2c',
      'slipway logs flight-delay-20260101T000000-0a1b2c --json',
    ],
  }).action((runId: string, options: Common) =>
    run(options, async ({ deployment, terminal }) => {
      const collected = await collect(deployment, runId);
      terminal.result(collected, describe(collected));
      return undefined;
    }),
  );
