import { createModelSession } from '../../adapters/model-session.ts';
import type { WorkerPool, WorkerSession } from '../../adapters/worker-session.ts';
import {
  type BatchedSession,
  type BatchingOptions,
  batchedSession,
} from '../../core/inference/batching/batched-session.ts';
import type { ModelSession, SessionRequest } from '../../core/inference/versions/loaded-version.ts';

/** A run that takes longer holds up requests that could be read meanwhile; a shorter one is not worth the way. */
const inlineMs = 1;

/** A model in threads where it is heavy, and in this one where it is light. */
async function placed(request: SessionRequest, pool: WorkerPool | undefined) {
  if (!pool) return { session: await createModelSession(request), parallelRuns: 1 };
  // Loaded and measured where nobody waits: only a light model is loaded here.
  const remote: WorkerSession = pool.open(request);
  try {
    if ((await remote.typicalRunMs()) > inlineMs) {
      return { session: remote, parallelRuns: pool.threads };
    }
  } catch (error) {
    await remote.release();
    throw error;
  }
  await remote.release();
  return { session: await createModelSession(request), parallelRuns: 1 };
}

/** The sessions of one model's versions: requests that come at the same time share a run. */
export class ModelSessions {
  readonly #pool: WorkerPool | undefined;
  readonly #batching: BatchingOptions;
  readonly #open = new Set<BatchedSession>();

  constructor(batching: BatchingOptions, pool: WorkerPool | undefined) {
    this.#batching = batching;
    this.#pool = pool;
  }

  async create(request: SessionRequest): Promise<ModelSession> {
    if (request.runtime !== 'onnx') return createModelSession(request);
    const { session, parallelRuns } = await placed(request, this.#pool);
    const batched = batchedSession(session, { ...this.#batching, parallelRuns });
    this.#open.add(batched);
    return {
      run: (input, limits) => batched.run(input, limits),
      release: () => {
        this.#open.delete(batched);
        return batched.release();
      },
    };
  }

  /** What requests found to do before them since this was last asked, in milliseconds. */
  takeMeanQueuedWorkMs(): number {
    let sum = 0;
    for (const session of this.#open) sum += session.takeMeanQueuedWorkMs();
    return sum;
  }
}
