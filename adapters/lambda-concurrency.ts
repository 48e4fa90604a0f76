import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda';

/** How many functions the account may run at the same time, all of its functions together. */
export async function accountConcurrency(client = new LambdaClient()): Promise<number> {
  const { AccountLimit } = await client.send(new GetAccountSettingsCommand());
  // What a young account has.
  return AccountLimit?.ConcurrentExecutions ?? 10;
}
