import { Worker } from 'node:worker_threads';
import { OverloadedError } from '../core/inference/serving-errors.ts';
import type {
  ModelInput,
  ModelOutput,
  ModelSession,
  SessionRequest,
} from '../core/inference/versions/loaded-version.ts';
import { type FromWorker, onnxWorkerRole, type ToWorker } from './onnx-worker.ts';

/** A call that loses its thread is done again once: what kills every thread it comes to is not done at all. */
const attempts = 2;
/** A thread that ends sooner than this after its start is not replaced at once. */
const restartPauseMs = 1_000;
const endLimitMs = 2_000;

export interface WorkerPoolOptions {
  readonly threads: number;
  /** A file that calls `serveOnnxWorker` where `isOnnxWorker`. */
  readonly entry: string | URL;
  /** Told of a thread that ended by itself. */
  readonly onLost: (reason: unknown) => void;
}

/** A session whose runs block no other work of this process. */
export interface WorkerSession extends ModelSession {
  /** Of a run of a typical size, as a thread measured it. */
  typicalRunMs(): Promise<number>;
}

type Ask = Extract<ToWorker, { readonly call: number }>;
type Asked = Ask extends infer One ? (One extends Ask ? Omit<One, 'call'> : never) : never;
type Answer = Exclude<FromWorker, { readonly error: unknown }>;

interface Call {
  readonly asked: Asked;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
  left: number;
}

/** A thread failed at a call, as it would have here. */
function asThrown(error: unknown): Error {
  const { name, message, stack } = error as Partial<Error>;
  return Object.assign(new Error(message), { name, stack });
}

/** The input with memory of its own, which the other thread may have. */
function given(asked: Asked): { readonly asked: Asked; readonly transfer: ArrayBuffer[] } {
  if (asked.ask !== 'run' || asked.input.kind !== 'features') return { asked, transfer: [] };
  const features = asked.input.features.slice();
  return { asked: { ...asked, input: { ...asked.input, features } }, transfer: [features.buffer] };
}

class Thread {
  readonly #worker: Worker;
  readonly calls = new Map<number, Call>();
  readonly startedAt = performance.now();

  constructor(entry: string | URL, onEnd: (thread: Thread, reason: unknown) => void) {
    this.#worker = new Worker(entry, { workerData: onnxWorkerRole });
    let reason: unknown;
    this.#worker.on('error', (error) => {
      reason = error;
    });
    this.#worker.on('exit', (code) => {
      onEnd(this, reason ?? new Error(`the thread ended with ${code}`));
    });
    this.#worker.on('message', (message: FromWorker) => {
      const call = this.calls.get(message.call);
      this.calls.delete(message.call);
      if ('error' in message) call?.reject(asThrown(message.error));
      else call?.resolve(message);
    });
    // The server, not its threads, keeps the process.
    this.#worker.unref();
  }

  post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Asked first: of threads that were only broken off, some took the process with them (SIGABRT). */
  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.post({ ask: 'end' });
    const limit = setTimeout(() => void this.#worker.terminate(), endLimitMs);
    await ended;
    clearTimeout(limit);
  }
}

/**
 * Threads that run models. Each has every session, so that a call goes to the one with the least to do; one
 * that is lost is replaced, and its calls are done again by another.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #sessions = new Map<number, SessionRequest>();
  readonly #threads = new Set<Thread>();
  #ids = 0;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    for (let thread = 0; thread < options.threads; thread += 1) this.#start();
  }

  get threads(): number {
    return this.#options.threads;
  }

  /** Threads that take calls now. */
  get running(): number {
    return this.#threads.size;
  }

  /** A graph that cannot be loaded fails its first call. */
  open(request: SessionRequest): WorkerSession {
    const session = ++this.#ids;
    this.#sessions.set(session, request);
    for (const thread of this.#threads) thread.post({ ask: 'open', session, request });
    return {
      run: async (input: ModelInput): Promise<ModelOutput> => {
        const answer = await this.#ask({ ask: 'run', session, input });
        if (!('output' in answer)) throw new TypeError('a run has an output');
        return answer.output;
      },
      typicalRunMs: async () => {
        const answer = await this.#ask({ ask: 'measure', session });
        if (!('runMs' in answer)) throw new TypeError('a measurement has milliseconds');
        return answer.runMs;
      },
      release: async () => {
        this.#sessions.delete(session);
        for (const thread of this.#threads) thread.post({ ask: 'close', session });
      },
    };
  }

  /** Ends the threads; what they compute is not answered any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }

  #ask(asked: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#place({ asked, resolve, reject, left: attempts });
    });
  }

  #place(call: Call): void {
    const lost = new OverloadedError('the thread that computes was lost; try again', 1);
    let idlest: Thread | undefined;
    for (const thread of this.#threads) {
      if (!idlest || thread.calls.size < idlest.calls.size) idlest = thread;
    }
    if (!idlest || call.left === 0) {
      call.reject(lost);
      return;
    }
    call.left -= 1;
    const id = ++this.#ids;
    idlest.calls.set(id, call);
    const { asked, transfer } = given(call.asked);
    idlest.post({ ...asked, call: id } as Ask, transfer);
  }

  #start(): void {
    const thread = new Thread(this.#options.entry, (ended, reason) => this.#replace(ended, reason));
    this.#threads.add(thread);
    for (const [session, request] of this.#sessions) thread.post({ ask: 'open', session, request });
  }

  #replace(ended: Thread, reason: unknown): void {
    this.#threads.delete(ended);
    if (this.#closed) {
      for (const call of ended.calls.values())
        call.reject(new OverloadedError('the server ends', 1));
      return;
    }
    this.#options.onLost(reason);
    const quick = performance.now() - ended.startedAt < restartPauseMs;
    if (quick) setTimeout(() => this.#closed || this.#start(), restartPauseMs).unref();
    else this.#start();
    for (const call of ended.calls.values()) this.#place(call);
  }
}
