import { setTimeout as sleep } from 'node:timers/promises';
import type { KeptResult } from '../core/inference/streams/publish-once.ts';

export interface CallLimits {
  readonly results: number;
  readonly bytes: number;
}

/** Cuts results into calls of at most so many and so large, in their order. */
function callsOf(results: readonly KeptResult[], limits: CallLimits): KeptResult[][] {
  const calls: KeptResult[][] = [];
  let bytes = 0;
  for (const result of results) {
    const size = Buffer.byteLength(result.text) + 512;
    const call = calls.at(-1);
    if (call && call.length < limits.results && bytes + size <= limits.bytes) {
      call.push(result);
      bytes += size;
    } else {
      calls.push([result]);
      bytes = size;
    }
  }
  return calls;
}

/** What one call did not take, by place in it. */
export type Call = (
  results: readonly KeptResult[],
  abort: AbortSignal,
) => Promise<ReadonlyMap<number, string>>;

const firstPauseMs = 50;
const longestPauseMs = 2_000;

/** Sends all of them once: refused may be tried again, failed was tried by the SDK already. */
async function sendOnce(
  results: readonly KeptResult[],
  deadlineMs: number,
  limits: CallLimits,
  call: Call,
) {
  const refused = new Map<KeptResult, Error>();
  const failed = new Map<string, unknown>();
  for (const part of callsOf(results, limits)) {
    try {
      const left = Math.max(1, deadlineMs - Date.now());
      for (const [at, reason] of await call(part, AbortSignal.timeout(left))) {
        const result = part[at];
        if (result) refused.set(result, new Error(reason));
      }
    } catch (error) {
      for (const { key } of part) failed.set(key, error);
    }
  }
  return { refused, failed };
}

/**
 * Sends results by calls that may take some of their entries and refuse others, as Kinesis and EventBridge
 * do where they are throttled: what is refused is sent again until the deadline.
 * @returns why the others were not taken, by key
 */
export async function sendResults(
  results: readonly KeptResult[],
  deadlineMs: number,
  limits: CallLimits,
  call: Call,
): Promise<ReadonlyMap<string, unknown>> {
  const failures = new Map<string, unknown>();
  let pending = results;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    const { refused, failed } = await sendOnce(pending, deadlineMs, limits, call);
    for (const [key, error] of failed) failures.set(key, error);
    const nextMs = pauseMs * (0.5 + Math.random());
    if (refused.size === 0 || Date.now() + nextMs >= deadlineMs) {
      for (const [{ key }, error] of refused) failures.set(key, error);
      return failures;
    }
    await sleep(nextMs);
    pending = [...refused.keys()];
  }
}
