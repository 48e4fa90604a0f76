import type { RawValue } from '../../features/raw-values.ts';
import { DeadlineError, OverloadedError } from '../serving-errors.ts';
import type {
  ModelInput,
  ModelOutput,
  ModelSession,
  RunLimits,
} from '../versions/loaded-version.ts';
import { RunTimeFit } from './run-time-fit.ts';

export interface BatchingOptions {
  /** Rows of one run; one request with more of them is a run of its own. */
  readonly maximumRows: number;
  /** Rows that may wait. */
  readonly maximumQueuedRows: number;
  /** Milliseconds of work that may wait, as far as runs so far tell. @default no limit */
  readonly maximumQueuedMs?: number;
  /** Runs at the same time: one a thread that computes. @default 1 */
  readonly parallelRuns?: number;
  /** Milliseconds of the clock that deadlines are given by. @default Date.now */
  readonly now?: () => number;
  /** Milliseconds of a clock that runs evenly, for what runs take. @default performance.now */
  readonly elapsed?: () => number;
  /** Calls back when what has already arrived has been taken in. */
  readonly schedule?: (work: () => void) => void;
}

export interface BatchedSession extends ModelSession {
  /** How long the rows that wait now are expected to take, by the runs that were measured. */
  readonly queuedWorkMs: number;
  readonly queuedRows: number;
  /** The mean of `queuedWorkMs` as requests found it since this was last asked; 0 where none came. */
  takeMeanQueuedWorkMs(): number;
}

interface Member {
  readonly input: ModelInput;
  readonly deadlineAt: number;
  readonly resolve: (output: ModelOutput) => void;
  readonly reject: (reason: unknown) => void;
}

/** Inputs of one form lie next to each other in one run; a session's inputs have one form anyway. */
function haveOneForm(a: ModelInput, b: ModelInput): boolean {
  if (a.kind === 'features') {
    return b.kind === 'features' && a.features.length / a.rows === b.features.length / b.rows;
  }
  if (b.kind !== 'columns') return false;
  const names = Object.keys(a.columns);
  return (
    names.length === Object.keys(b.columns).length &&
    names.every((name) => Object.hasOwn(b.columns, name))
  );
}

type Input<Kind> = Extract<ModelInput, { readonly kind: Kind }>;

function joinedFeatures(inputs: readonly Input<'features'>[], rows: number): Input<'features'> {
  const width = (inputs[0]?.features.length ?? 0) / (inputs[0]?.rows ?? 1);
  const features = new Float32Array(rows * width);
  let at = 0;
  for (const input of inputs) {
    features.set(input.features, at);
    at += input.features.length;
  }
  return { kind: 'features', rows, features };
}

function joinedColumns(inputs: readonly Input<'columns'>[], rows: number): Input<'columns'> {
  const names = Object.keys(inputs[0]?.columns ?? {});
  const columns = names.map((name): [string, readonly RawValue[]] => [
    name,
    inputs.flatMap((input) => input.columns[name] ?? []),
  ]);
  return { kind: 'columns', rows, columns: Object.fromEntries(columns) };
}

const isOfFeatures = (input: ModelInput): input is Input<'features'> => input.kind === 'features';
const isOfColumns = (input: ModelInput): input is Input<'columns'> => input.kind === 'columns';

/** Rows of inputs of one form as one input, in their order. */
function joined(inputs: readonly ModelInput[]): ModelInput {
  const rows = inputs.reduce((sum, input) => sum + input.rows, 0);
  return inputs.every(isOfFeatures)
    ? joinedFeatures(inputs, rows)
    : joinedColumns(inputs.filter(isOfColumns), rows);
}

/** Gives each member its rows of what one run answered. */
function share({ predictions, details, runMs = 0 }: ModelOutput, members: readonly Member[]): void {
  const rowMs = runMs / predictions.length;
  let at = 0;
  for (const { input, resolve } of members) {
    const end = at + input.rows;
    resolve({
      // A view: what a request keeps of its answer it copies anyway.
      predictions: predictions.subarray(at, end),
      ...(details && { details: details.slice(at, end) }),
      runMs: rowMs * input.rows,
    });
    at = end;
  }
}

class Batches implements BatchedSession {
  readonly #session: ModelSession;
  readonly #options: BatchingOptions;
  readonly #parallelRuns: number;
  readonly #now: () => number;
  readonly #elapsed: () => number;
  readonly #schedule: (work: () => void) => void;
  readonly #fit = new RunTimeFit();
  #arrivals = 0;
  #foundMs = 0;
  #whenIdle: (() => void)[] = [];
  #queue: Member[] = [];
  #queuedRows = 0;
  #running = 0;
  #scheduled = false;

  constructor(session: ModelSession, options: BatchingOptions) {
    this.#session = session;
    this.#options = options;
    this.#parallelRuns = options.parallelRuns ?? 1;
    this.#now = options.now ?? Date.now;
    this.#elapsed = options.elapsed ?? (() => performance.now());
    this.#schedule = options.schedule ?? setImmediate;
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  get queuedWorkMs(): number {
    const ms = this.#fit.expectedMs(this.#queuedRows, this.#options.maximumRows);
    return ms / this.#parallelRuns;
  }

  takeMeanQueuedWorkMs(): number {
    const mean = this.#arrivals === 0 ? 0 : this.#foundMs / this.#arrivals;
    this.#arrivals = 0;
    this.#foundMs = 0;
    return mean;
  }

  run(input: ModelInput, limits?: RunLimits): Promise<ModelOutput> {
    const deadlineAt = limits?.deadlineAt ?? Number.POSITIVE_INFINITY;
    const waitMs = this.queuedWorkMs;
    this.#arrivals += 1;
    this.#foundMs += waitMs;
    const refused = this.#refusal(input.rows, waitMs, deadlineAt);
    if (refused) return Promise.reject(refused);
    return new Promise<ModelOutput>((resolve, reject) => {
      this.#queue.push({ input, deadlineAt, resolve, reject });
      this.#queuedRows += input.rows;
      this.#flushSoon();
    });
  }

  /** Frees the memory when what was begun and what waits has been answered. */
  async release(): Promise<void> {
    if (!this.#isIdle()) {
      await new Promise<void>((resolve) => {
        this.#whenIdle.push(resolve);
      });
    }
    await this.#session.release();
  }

  #isIdle(): boolean {
    return this.#running === 0 && this.#queue.length === 0;
  }

  #refusal(rows: number, waitMs: number, deadlineAt: number): Error | undefined {
    // Whoever finds nothing waiting is taken, however many rows they bring.
    if (this.#queuedRows === 0) return undefined;
    const { maximumQueuedRows, maximumQueuedMs = Number.POSITIVE_INFINITY } = this.#options;
    const tooMany =
      this.#queuedRows + rows > maximumQueuedRows ||
      waitMs > maximumQueuedMs ||
      this.#now() + waitMs > deadlineAt;
    if (!tooMany) return undefined;
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
    return new OverloadedError(
      `${this.#queuedRows} rows wait already, which is all that may; try again in ${retryAfterSeconds} s`,
      retryAfterSeconds,
    );
  }

  #flushSoon(): void {
    if (this.#scheduled || this.#running >= this.#parallelRuns) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Starts runs while there are members and room: what waits is never made to wait for more. */
  #flush(): void {
    while (this.#running < this.#parallelRuns) {
      const members = this.#next();
      if (members.length === 0) break;
      this.#running += 1;
      void this.#answer(members).finally(() => {
        this.#running -= 1;
        this.#flush();
      });
    }
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#whenIdle.length === 0 || !this.#isIdle()) return;
    for (const told of this.#whenIdle.splice(0)) told();
  }

  /** The members of the next run; those whose time is up are told so and left out. */
  #next(): Member[] {
    const now = this.#now();
    const members: Member[] = [];
    let rows = 0;
    let taken = 0;
    for (const member of this.#queue) {
      const [first] = members;
      const { input } = member;
      const fits =
        !first ||
        (rows + input.rows <= this.#options.maximumRows && haveOneForm(first.input, input));
      if (member.deadlineAt > now && !fits) break;
      taken += 1;
      this.#queuedRows -= input.rows;
      if (member.deadlineAt <= now) {
        member.reject(new DeadlineError('the answer would have come too late; try again'));
        continue;
      }
      members.push(member);
      rows += input.rows;
    }
    this.#queue = this.#queue.slice(taken);
    return members;
  }

  async #answer(members: readonly Member[]): Promise<void> {
    const [only] = members;
    if (members.length === 1 && only) return this.#answerOne(only);
    const input = joined(members.map((member) => member.input));
    let output: ModelOutput | undefined;
    try {
      const deadlineAt = Math.max(...members.map((member) => member.deadlineAt));
      output = await this.#measured(input, { deadlineAt });
    } catch {
      // One of them may have spoiled it for the others: each gets what it would have got by itself.
    }
    if (output?.predictions.length === input.rows) share(output, members);
    else for (const member of members) await this.#answerOne(member);
  }

  async #answerOne({ input, deadlineAt, resolve, reject }: Member): Promise<void> {
    if (deadlineAt <= this.#now()) {
      reject(new DeadlineError('the answer would have come too late; try again'));
      return;
    }
    try {
      resolve(await this.#measured(input, { deadlineAt }));
    } catch (error) {
      reject(error);
    }
  }

  async #measured(input: ModelInput, limits: RunLimits): Promise<ModelOutput> {
    const startedAt = this.#elapsed();
    const output = await this.#session.run(input, limits);
    const runMs = this.#elapsed() - startedAt;
    this.#fit.add(input.rows, runMs);
    return { ...output, runMs };
  }
}

/**
 * Answers requests that come at the same time in one run. An idle session begins at once; what comes while
 * it computes is the next run, so that nobody waits for company. A run that fails is done again for each of
 * its members alone, and nothing that one of them sent reaches another.
 */
export const batchedSession = (session: ModelSession, options: BatchingOptions): BatchedSession =>
  new Batches(session, options);
