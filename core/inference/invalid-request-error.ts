/** How many problems of one request are told: enough to mend it, few enough to read. */
const told = 20;

/** The caller's request is wrong. Each problem names the field, the value received and the fix. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const more = problems.length > told ? [`and ${problems.length - told} more`] : [];
    super([...problems.slice(0, told), ...more].join('; '));
    this.problems = problems;
  }
}
