import { userInfo } from 'node:os';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import * as z from 'zod';
import { parseDocument } from '../core/parse-document.ts';
import { RunNotFoundError } from '../core/registry/errors.ts';
import type { Run } from '../core/registry/records.ts';
import { CommandError, type ExitCode, exitCodes, usageError } from './command-error.ts';
import type { DeployedModel, Deployment } from './deployment.ts';
import { executionArnOf, readExecution } from './execution-history.ts';
import { styled } from './terminal.ts';

/** Who asks, as runs and the ledger remember it. */
export const person = (): string => userInfo().username;

const RunAnswer = z.object({
  outcome: z.enum(['started', 'coalesced', 'queued', 'busy']),
  runId: z.string(),
  reasons: z.array(z.string()).default([]),
});
/** The policy does not let it begin for now, the model is retired, or a file cannot become a version. */
const Refusal = z.object({
  outcome: z.enum(['waiting', 'retired', 'refused']),
  reasons: z.array(z.string()),
});
export type RunAnswer = z.infer<typeof RunAnswer>;

/** Asks the model's one starter for a run. @throws CommandError with what the function threw. */
export async function askForRun(
  model: DeployedModel,
  request: Readonly<Record<string, unknown>>,
): Promise<RunAnswer> {
  const { FunctionError, Payload } = await new LambdaClient().send(
    new InvokeCommand({
      FunctionName: model.requestRunFunction,
      Payload: JSON.stringify(request),
    }),
  );
  const text = Payload ? Buffer.from(Payload).toString('utf8') : '';
  if (FunctionError) {
    const { errorType, errorMessage } = JSON.parse(text || '{}') as Record<string, unknown>;
    throw new CommandError(`no run was started: ${errorType ?? FunctionError}: ${errorMessage}`);
  }
  const answer: unknown = JSON.parse(text);
  const refusal = Refusal.safeParse(answer);
  if (refusal.success) {
    const { outcome, reasons } = refusal.data;
    throw new CommandError(
      `no run was started: ${reasons.join('; ')}`,
      outcome === 'waiting' ? exitCodes.failed : exitCodes.rejected,
    );
  }
  return parseDocument(RunAnswer, answer, 'the answer to a request for a run');
}

const answers: Readonly<Record<RunAnswer['outcome'], string>> = {
  started: 'started',
  coalesced: 'was waiting for more files and takes them in',
  queued: 'starts when the one that is running has ended',
  busy: 'is running',
};
export const describeAnswer = ({ outcome, runId }: RunAnswer): string =>
  `Run ${runId} ${answers[outcome]}.`;

/** The model that a run belongs to: `<model>-<yyyymmddThhmmss>-<6 hex>`. @throws CommandError */
export function modelOfRun(runId: string): string {
  const model = /^([a-z][a-z0-9-]*)-\d{8}T\d{6}-[0-9a-f]{6}$/.exec(runId)?.[1];
  if (model !== undefined) return model;
  throw usageError(
    `'${runId}' is not a run; runs are named as in flight-delay-20260101T000000-0a1b2c (\`slipway status\` lists them)`,
  );
}

/** @throws CommandError where there is no such run. */
export async function findRun(deployment: Deployment, runId: string): Promise<Run> {
  const model = deployment.model(modelOfRun(runId));
  try {
    return await deployment.registry.getRun(model.name, runId);
  } catch (error) {
    if (error instanceof RunNotFoundError) throw usageError(error.message);
    throw error;
  }
}

export const executionOf = (model: DeployedModel, runId: string) =>
  readExecution(executionArnOf(model.stateMachineArn, runId));

/** Of an execution that broke or was stopped. */
export const failedStatuses: ReadonlySet<string> = new Set(['FAILED', 'TIMED_OUT', 'ABORTED']);

/** What a run's end means for the caller. */
export function exitCodeOf(run: Run): ExitCode {
  if (run.status !== 'SUCCEEDED') return exitCodes.failed;
  if (run.outcome === 'rejected') return exitCodes.rejected;
  if (run.outcome === 'quarantined') return exitCodes.quarantined;
  if (run.outcome === 'awaiting_approval') return exitCodes.awaitingApproval;
  return run.outcome === 'no_data' ? exitCodes.failed : exitCodes.done;
}

const outcomes: Readonly<Record<NonNullable<Run['outcome']>, string>> = {
  live: 'a new version is live',
  awaiting_approval: 'a new version is staged and waits for `slipway approve`',
  collected: 'the data was taken in and is not trained on for now',
  unchanged:
    'nothing new: this data, model and code have been trained, or this file imported, before',
  rejected: 'the new version was refused; the one before stays live',
  quarantined: 'invalid files went to quarantine; nothing else changed',
  no_data: 'there is no data; drop files first',
};

/** A run in a few lines. */
export function describeRun(run: Run): string[] {
  const good = exitCodeOf(run) === exitCodes.done;
  const end = run.outcome === undefined ? '' : `: ${outcomes[run.outcome]}`;
  const version = run.version === undefined ? '' : ` (version ${run.version})`;
  const status = run.status === 'RUNNING' ? 'is running' : `${run.outcome ?? run.status}`;
  return [
    `${run.runId}  ${styled(run.status === 'RUNNING' ? 'yellow' : good ? 'green' : 'red', status)}${end}${version}`,
    ...run.reasons.map((reason) => `  ${reason}`),
  ];
}
