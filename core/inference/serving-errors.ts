/** More is waiting than can be answered in time: the caller is told when to come again. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds = 1) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The time that a request may take was over before its rows were run. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}
