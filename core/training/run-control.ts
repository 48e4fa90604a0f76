import { RunNotFoundError } from '../registry/errors.ts';
import type { Run, RunTrigger } from '../registry/records.ts';
import { decide, type LockDecision, type LockEvent, type RunLock } from './run-lock.ts';
import { userFailure } from './user-failure.ts';

export interface HeldLock {
  readonly lock: RunLock;
  /** Grows with every change of the lock. */
  readonly revision: number;
}

/** Where the locks are kept; one per model. */
export interface RunLockStore {
  read(model: string): Promise<HeldLock | undefined>;
  /**
   * Puts a lock in the place of what was read, undefined meaning none; false where somebody else
   * changed it in between.
   */
  replace(model: string, before: HeldLock | undefined, lock: RunLock | undefined): Promise<boolean>;
}

export interface Execution {
  readonly executionArn: string;
  readonly status: Run['status'];
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
}

/** The executions of the model's pipeline. */
export interface Executions {
  arnOf(name: string): string;
  /** Starts an execution; does nothing where there is or was one of that name. */
  start(name: string, input: Readonly<Record<string, unknown>>): Promise<void>;
  find(name: string): Promise<Execution | undefined>;
}

export interface RunEnd {
  readonly status: Exclude<Run['status'], 'RUNNING'>;
  readonly finishedAt: string;
  readonly reasons?: readonly string[];
}

export interface RunRecords {
  /** Keeps what is there. */
  putRun(run: Run): Promise<void>;
  /** The first end stays. @throws RunNotFoundError */
  finishRun(model: string, runId: string, end: RunEnd): Promise<boolean>;
}

/** What starting and ending runs needs. */
export interface RunControl {
  readonly model: string;
  readonly locks: RunLockStore;
  readonly executions: Executions;
  readonly runs: RunRecords;
  /** ISO 8601 in UTC with milliseconds. */
  readonly now: () => string;
  /** Is told of each run whose end is recorded, before the next one begins; can be told twice. */
  readonly ended: (runId: string) => Promise<void>;
}

/** So many others changed the lock at the same time that this change did not come through. */
export class RunLockContentionError extends Error {
  override readonly name = 'RunLockContentionError';
}

/** A run asks for its turn that does not hold the lock: it was not started by the one starter. */
export class RunLockNotHeldError extends Error {
  override readonly name = 'RunLockNotHeldError';
}

/** Step Functions takes 256 KiB of input. */
export class RunInputTooLargeError extends Error {
  override readonly name = 'RunInputTooLargeError';
}

const changeAttempts = 100;
const inputLimitBytes = 262_144;
/** An execution that was seen so long ago is looked for again: events of its end may get lost. */
const seenForMs = 30_000;
const gone: Pick<Execution, 'status' | 'error' | 'cause'> = {
  status: 'FAILED',
  error: 'ExecutionDoesNotExist',
};

type LockControl = Pick<RunControl, 'locks' | 'model' | 'now'>;

async function change(control: LockControl, event: LockEvent): Promise<LockDecision> {
  const { locks, model, now } = control;
  for (let attempt = 0; attempt < changeAttempts; attempt += 1) {
    const held = await locks.read(model);
    const decision = decide(held?.lock, event, now());
    if (decision.lock === held?.lock) return decision;
    if (await locks.replace(model, held, decision.lock)) return decision;
  }
  throw new RunLockContentionError(
    `the run lock of ${model} could not be changed in ${changeAttempts} attempts; send the request again`,
  );
}

/**
 * A lock whose execution was never seen needs it started: the holder's first starter may have been
 * killed in between. Everybody who comes along does it, with the same name and input.
 */
async function ensureStarted(control: RunControl, lock: RunLock | undefined): Promise<void> {
  if (!lock || lock.seenAt !== undefined) return;
  const { executions, model, runs } = control;
  const { runId, trigger, acquiredAt, input } = lock;
  await runs.putRun({
    model,
    runId,
    executionArn: executions.arnOf(runId),
    trigger,
    status: 'RUNNING',
    reasons: [],
    startedAt: acquiredAt,
  });
  await executions.start(runId, input);
  await change(control, { kind: 'seen', runId });
}

/** Frees the lock of a run that ended without anybody hearing of it. */
async function checkHolder(control: RunControl): Promise<void> {
  const lock = (await control.locks.read(control.model))?.lock;
  if (lock?.seenAt === undefined) return;
  // A clock that was set back is no reason to believe it for longer.
  if (Math.abs(Date.parse(control.now()) - Date.parse(lock.seenAt)) < seenForMs) return;
  const { runId } = lock;
  const { status, error, cause } = (await control.executions.find(runId)) ?? gone;
  if (status === 'RUNNING') await change(control, { kind: 'seen', runId });
  else await releaseRun(control, { runId, status, error, cause });
}

/** The lock as it is once a run that ended unheard of is released and one that was not started is. */
export async function lockHolder(control: RunControl): Promise<RunLock | undefined> {
  await checkHolder(control);
  const lock = (await control.locks.read(control.model))?.lock;
  await ensureStarted(control, lock);
  return lock;
}

export interface RunRequest {
  /** Name of the run, should one come of the request. */
  readonly runId: string;
  readonly trigger: RunTrigger;
  readonly settled: boolean;
  readonly quietSeconds: number;
}
export interface RunAnswer {
  readonly outcome: 'started' | 'coalesced' | 'queued' | 'busy';
  /** The run that takes the request in; busy: the run that is in the way. */
  readonly runId: string;
}

/** The one starter: starts a run, or has the waiting or the next one take the request in. */
export async function requestRun(control: RunControl, request: RunRequest): Promise<RunAnswer> {
  return ask(control, { kind: 'requested', model: control.model, ...request });
}

/**
 * Starts a run that goes on with a failed one's input at `input.from`; busy while another run goes on.
 * @throws RunInputTooLargeError
 */
export async function retryRun(
  control: RunControl,
  request: Pick<RunRequest, 'runId' | 'trigger'> & {
    readonly input: Readonly<Record<string, unknown>>;
  },
): Promise<RunAnswer> {
  const bytes = Buffer.byteLength(JSON.stringify(request.input)) + 1_024;
  if (bytes > inputLimitBytes) {
    throw new RunInputTooLargeError(
      `the input of a retry has ${bytes} bytes, and an execution takes ${inputLimitBytes}; start a new run with \`slipway train\``,
    );
  }
  return ask(control, { kind: 'retried', model: control.model, ...request });
}

async function ask(
  control: RunControl,
  event: Extract<LockEvent, { kind: 'requested' | 'retried' }>,
): Promise<RunAnswer> {
  await checkHolder(control);
  const { lock, answer } = await change(control, event);
  await ensureStarted(control, lock);
  if ('runId' in answer) return answer;
  throw new TypeError(`a request for a run is not answered with ${answer.outcome}`);
}

/**
 * True when no drop came for the quiet period: from then on, drops belong to the next run.
 * @throws RunLockNotHeldError
 */
export async function awaitQuiet(control: LockControl, runId: string): Promise<boolean> {
  const { answer, lock } = await change(control, { kind: 'polled', runId });
  if (answer.outcome === 'not_held') {
    throw new RunLockNotHeldError(
      `run ${runId} does not hold the run lock of ${control.model}, ${lock ? `run ${lock.runId} does` : 'nobody does'}; start runs with \`slipway train\``,
    );
  }
  return answer.outcome === 'settled';
}

/** Frees a run's lock and starts the run that waits for it; resolves to that one's name. */
export async function endRun(control: RunControl, runId: string): Promise<string | undefined> {
  const { lock } = await change(control, { kind: 'ended', runId });
  await ensureStarted(control, lock);
  return lock?.runId;
}

export interface BrokenRun {
  readonly runId: string;
  readonly status: RunEnd['status'];
  readonly error?: string | null | undefined;
  readonly cause?: string | null | undefined;
}

/**
 * Records the end of a run that did not record it itself, and frees its lock.
 * @returns why it ended, and whether this call recorded it; undefined for an execution that is no
 * run of ours.
 */
export async function releaseRun(
  control: RunControl,
  { runId, status, error, cause }: BrokenRun,
): Promise<{ recorded: boolean; reasons: string[]; nextRunId?: string } | undefined> {
  const reasons = reasonsOf(status, error, cause);
  try {
    const end = { status, reasons, finishedAt: control.now() };
    const recorded = await control.runs.finishRun(control.model, runId, end);
    await control.ended(runId);
    const nextRunId = await endRun(control, runId);
    return { recorded, reasons, ...(nextRunId !== undefined && { nextRunId }) };
  } catch (failure) {
    if (failure instanceof RunNotFoundError) return undefined;
    throw failure;
  }
}

const linesAtMost = 10;

/** The first lines of what Step Functions says about an execution that broke. */
function reasonsOf(status: string, error: BrokenRun['error'], cause: BrokenRun['cause']): string[] {
  const text = causeText(cause);
  const users = userFailure(text);
  // Their own line first: what carried the news of it is of no use to them.
  if (users) return [users.headline, ...users.trace].slice(0, linesAtMost);
  const lines = text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
  const [first = status === 'ABORTED' ? 'stopped by a person' : 'no cause was given', ...more] =
    lines;
  return [`${error || status}: ${first}`, ...more].slice(0, linesAtMost);
}

/** A cause is a text, a thrown error of a function, or the description of a training job, as JSON. */
function causeText(cause: BrokenRun['cause']): string {
  if (!cause) return '';
  try {
    const parsed: unknown = JSON.parse(cause);
    if (typeof parsed === 'object' && parsed !== null) {
      const { errorMessage, FailureReason } = parsed as Record<string, unknown>;
      if (typeof errorMessage === 'string') return errorMessage;
      if (typeof FailureReason === 'string') return FailureReason;
    }
  } catch {
    // A text.
  }
  return cause;
}
