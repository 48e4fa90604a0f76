/** Exit codes of every command; `slipway --help` prints them. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  rejected: 3,
  quarantined: 4,
  awaitingApproval: 5,
  different: 6,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A command cannot do what was asked; the message is one clear line with the fix. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = exitCodes.failed, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Something on the command line, or what it refers to, is wrong. */
export const usageError = (message: string): CommandError =>
  new CommandError(message, exitCodes.usage);

const fixes: Readonly<Record<string, string>> = {
  CredentialsProviderError:
    'no AWS credentials were found; sign in (aws sso login) or set AWS_PROFILE',
  ExpiredTokenException: 'the AWS credentials have expired; sign in again (aws sso login)',
  ExpiredToken: 'the AWS credentials have expired; sign in again (aws sso login)',
  UnrecognizedClientException:
    'the AWS credentials are not valid; sign in again or set AWS_PROFILE',
  AccessDeniedException: 'these AWS credentials do not allow it; use those of an operator',
};

const refused = (error: Error): boolean =>
  'code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET');

/** One line for people: what went wrong and what to do. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.message || error.name;
  const fix = fixes[error.name];
  if (fix !== undefined) return `${fix} (${text})`;
  if (error.message.startsWith('Region is missing')) {
    return 'no AWS region is set; set AWS_REGION, as in AWS_REGION=eu-west-1';
  }
  const inner = error instanceof AggregateError ? error.errors.find(refused) : error;
  if (inner instanceof Error && refused(inner)) {
    return `the cloud does not answer (${inner.message}); is \`slipway local\` still running?`;
  }
  return text;
}
