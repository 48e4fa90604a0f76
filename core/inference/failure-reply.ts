import {
  ContainerBusyError,
  ContainerFaultError,
  ContainerTimeoutError,
} from './containers/container-errors.ts';
import { HttpError } from './http-error.ts';
import { InvalidRequestError } from './invalid-request-error.ts';
import { DeadlineError, OverloadedError } from './serving-errors.ts';
import { NotLiveError, NoVersionLoadedError, RetiredError } from './versions/live-versions.ts';

/** What a caller is told instead of an answer. */
export interface FailureReply {
  readonly status: number;
  readonly error: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Seconds in which what was slow because it was only being started may be there. */
export const retryAfterTimeout = '10';

export const timeoutText =
  'the answer took longer than is allowed; try again, with fewer rows per request';

/** Of a model's container that has no answer: its own words are in the log. */
function containerFailure(error: unknown, requestId: string): FailureReply | undefined {
  if (error instanceof ContainerTimeoutError) {
    const text =
      "the model's container did not answer in time, which it does not when it is only being started; try again in a few seconds, or with fewer rows per request";
    return { status: 504, error: text, headers: { 'Retry-After': retryAfterTimeout } };
  }
  if (error instanceof ContainerBusyError) {
    const text = "the model's container answers as many requests as it may; try again";
    return { status: 503, error: text, headers: { 'Retry-After': '1' } };
  }
  if (error instanceof ContainerFaultError) {
    const text = `the model's container gave no prediction; its log and that of request ${requestId} say why`;
    return { status: 502, error: text };
  }
  return undefined;
}

/** Of a platform that has too much to do, or nothing to answer with yet. */
function busyFailure(error: unknown): FailureReply | undefined {
  if (error instanceof NoVersionLoadedError) {
    return { status: 503, error: error.message, headers: { 'Retry-After': '5' } };
  }
  if (error instanceof OverloadedError) {
    const headers = { 'Retry-After': String(Math.max(1, Math.ceil(error.retryAfterSeconds))) };
    return { status: 503, error: error.message, headers };
  }
  if (error instanceof DeadlineError) {
    return { status: 504, error: timeoutText, headers: { 'Retry-After': retryAfterTimeout } };
  }
  return undefined;
}

/** What a caller sees of a failure. Only what is their own to mend is told; the rest is in the log. */
export function failureReply(error: unknown, requestId: string): FailureReply {
  if (error instanceof InvalidRequestError) return { status: 400, error: error.message };
  if (error instanceof NotLiveError || error instanceof RetiredError) {
    return { status: 404, error: error.message };
  }
  if (error instanceof HttpError) {
    return { status: error.status, error: error.message, headers: error.headers };
  }
  return (
    busyFailure(error) ??
    containerFailure(error, requestId) ?? {
      status: 500,
      error: `the request failed inside the platform; its log names request ${requestId}`,
    }
  );
}
