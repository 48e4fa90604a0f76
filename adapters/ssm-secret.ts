import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';

/** A secret was to be read and is not there. */
export class SecretMissingError extends Error {
  override readonly name = 'SecretMissingError';
}

const keptForMs = 300_000;

/**
 * The value of a SecureString parameter, read again every five minutes, so that a changed one is
 * found without a deployment. Rejects with the SDK's errors, and SecretMissingError.
 */
export function ssmSecret({
  parameter,
  client = new SSMClient(),
  now = Date.now,
}: {
  readonly parameter: string;
  readonly client?: SSMClient;
  readonly now?: () => number;
}): () => Promise<string> {
  let kept: { readonly value: string; readonly readAt: number } | undefined;
  return async () => {
    if (kept && now() - kept.readAt < keptForMs) return kept.value;
    const { Parameter } = await client.send(
      new GetParameterCommand({ Name: parameter, WithDecryption: true }),
    );
    const value = Parameter?.Value?.trim();
    if (!value) {
      throw new SecretMissingError(
        `the parameter ${parameter} is empty; put the URL of the Slack webhook there, as a SecureString`,
      );
    }
    kept = { value, readAt: now() };
    return value;
  };
}
