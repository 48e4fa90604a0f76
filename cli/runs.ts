import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { DescribeTrainingJobCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { z } from 'zod';
import { invalidFilesOf, quarantineKey } from '../core/datasets/quarantine.ts';
import {
  type FileReport,
  type Finding,
  ValidationReport,
} from '../core/datasets/validation-report.ts';
import { parseDocument } from '../core/parse-document.ts';
import { RunNotFoundError } from '../core/registry/errors.ts';
import type { Run } from '../core/registry/records.ts';
import { CommandError, type ExitCode, exitCodes, usageError } from './command-error.ts';
import type { DeployedModel, Deployment } from './deployment.ts';
import {
  type EnteredState,
  enteredStates,
  executionArnOf,
  readExecution,
  secondsPerState,
} from './execution-history.ts';
import { seconds, styled, type Terminal } from './terminal.ts';

/** Who asks, as runs and the ledger remember it. */
export const person = (): string => userInfo().username;

const RunAnswer = z.object({
  outcome: z.enum(['started', 'coalesced', 'queued', 'busy']),
  runId: z.string(),
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
  return parseDocument(RunAnswer, JSON.parse(text), 'the answer to a request for a run');
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

/** The training job that a visit of the Train state runs. */
export function trainingJobOf(state: EnteredState): string | undefined {
  const input = JSON.parse(state.input) as { plan?: { trainingJobName?: string } };
  return state.name === 'Train' ? input.plan?.trainingJobName : undefined;
}

async function jobStatus(client: SageMakerClient, job: string): Promise<string | undefined> {
  try {
    const { SecondaryStatus } = await client.send(
      new DescribeTrainingJobCommand({ TrainingJobName: job }),
    );
    return SecondaryStatus;
  } catch (error) {
    // The state was entered, its job does not exist yet.
    if (error instanceof Error && /ValidationException|ResourceNotFound/.test(error.name)) return;
    throw error;
  }
}

/** Tells each state once as it is entered, and each new status of a training job. */
function narrator(terminal: Pick<Terminal, 'note'>) {
  const sagemaker = new SageMakerClient();
  const startedAt = performance.now();
  let told = 0;
  let status: string | undefined;
  const say = (text: string) =>
    terminal.note(`  ${seconds(performance.now() - startedAt).padStart(8)}  ${text}`);
  return async (states: readonly EnteredState[]) => {
    const tasks = states.filter(({ type }) => type === 'Task');
    const fresh = tasks.slice(told);
    told = tasks.length;
    // Asking for quiet again and again is one wait.
    const before = tasks.at(-fresh.length - 1)?.name;
    fresh
      .map(({ name }) => name)
      .filter((name, i, names) => name !== (i === 0 ? before : names[i - 1]))
      .forEach(say);
    const current = tasks.at(-1);
    const job = current && current.leftAt === undefined ? trainingJobOf(current) : undefined;
    const now = job === undefined ? undefined : await jobStatus(sagemaker, job);
    if (now !== undefined && now !== status) say(`  training job: ${now}`);
    status = now ?? status;
  };
}

/** A run that is over, with the seconds that each of its states took. */
export interface FollowedRun {
  readonly run: Run;
  readonly seconds: Readonly<Record<string, number>>;
}

/** A run that was asked for exists a moment later, or when the one before it has ended. */
async function currentRun(
  deployment: Deployment,
  model: string,
  runId: string,
): Promise<Run | undefined> {
  try {
    return await deployment.registry.getRun(model, runId);
  } catch (error) {
    if (error instanceof RunNotFoundError) return undefined;
    throw error;
  }
}

const failedStatuses = new Set(['FAILED', 'TIMED_OUT', 'ABORTED']);
/** Events of an execution's end arrive within this time, or are lost. */
const releaseLimitMs = 15_000;

/** Follows a run to its end, telling the states as they are entered. */
export async function followRun(
  deployment: Deployment,
  runId: string,
  terminal: Pick<Terminal, 'note'>,
): Promise<FollowedRun> {
  const model = deployment.model(modelOfRun(runId));
  const execution = executionOf(model, runId);
  const narrate = narrator(terminal);
  const pauseMs = deployment.laptop ? 500 : 3_000;
  let brokenSince: number | undefined;
  for (;;) {
    const [run, status] = [
      await currentRun(deployment, model.name, runId),
      await execution.status(),
    ];
    const states = enteredStates(await execution.history());
    await narrate(states);
    const over = status !== undefined && status !== 'RUNNING';
    if (run && run.status !== 'RUNNING' && over) {
      return { run, seconds: Object.fromEntries(secondsPerState(states)) };
    }
    if (run && status !== undefined && failedStatuses.has(status)) {
      brokenSince ??= performance.now();
      if (performance.now() - brokenSince > releaseLimitMs) {
        return { run: { ...run, status: status as Run['status'] }, seconds: {} };
      }
    }
    await sleep(pauseMs);
  }
}

/** What a run's end means for the caller. */
export function exitCodeOf(run: Run): ExitCode {
  if (run.status !== 'SUCCEEDED') return exitCodes.failed;
  if (run.outcome === 'rejected') return exitCodes.rejected;
  if (run.outcome === 'quarantined') return exitCodes.quarantined;
  return run.outcome === 'no_data' ? exitCodes.failed : exitCodes.done;
}

const outcomes: Readonly<Record<NonNullable<Run['outcome']>, string>> = {
  live: 'a new version is live',
  unchanged: 'nothing new: this data, model and code have been trained before',
  rejected: 'the new version was refused; the one before stays live',
  quarantined: 'invalid files went to quarantine; nothing else changed',
  no_data: 'there is no data; drop files first',
};

/** What to do about a run that failed. */
const adviceFor = (run: Run): string[] =>
  failedStatuses.has(run.status)
    ? [`  \`slipway logs ${run.runId}\` shows why; \`slipway retry ${run.runId}\` goes on there`]
    : [];

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

/** The files that a run put into quarantine, with what is wrong in them. */
async function findingsOf({ data }: Deployment, run: Run): Promise<FileReport[]> {
  if (run.outcome !== 'quarantined') return [];
  const keys = run.reasons.flatMap((reason) => /reports\/\S+\.json/.exec(reason)?.[0] ?? []);
  const reports = await Promise.all(
    keys.map(async (key) => parseDocument(ValidationReport, await data.getJson(key), key)),
  );
  return reports.flatMap(invalidFilesOf);
}

const shownFindings = 10;

function describeFinding({ column, count, examples: [first], message, rule }: Finding): string {
  const where = first ? `row ${first.row}, value ${JSON.stringify(first.value)}` : 'the file';
  const more = count > 1 ? ` and ${count - 1} more` : '';
  return `    ${where}${more}: ${column === undefined ? '' : `column ${column}, `}rule ${rule}: ${message}`;
}

const describeFile = (file: FileReport): string[] => [
  `  ${file.key} → ${quarantineKey(file.key.split('/')[1] ?? '', file)}`,
  ...file.findings.slice(0, shownFindings).map(describeFinding),
  ...(file.findings.length > shownFindings
    ? [`    and ${file.findings.length - shownFindings} more findings`]
    : []),
];

/** Says what became of a request for a run, and follows the run if asked to. */
export async function reportRun(
  deployment: Deployment,
  answer: RunAnswer,
  { wait, terminal }: { wait: boolean; terminal: Terminal },
): Promise<ExitCode> {
  if (!wait) {
    terminal.result(answer, [
      describeAnswer(answer),
      `Follow it with \`slipway status ${modelOfRun(answer.runId)}\`.`,
    ]);
    return exitCodes.done;
  }
  terminal.note(describeAnswer(answer));
  const { run, seconds: spent } = await followRun(deployment, answer.runId, terminal);
  const findings = await findingsOf(deployment, run);
  terminal.result({ ...run, seconds: spent, findings }, [
    ...describeRun(run),
    ...adviceFor(run),
    ...findings.flatMap(describeFile),
  ]);
  return exitCodeOf(run);
}
