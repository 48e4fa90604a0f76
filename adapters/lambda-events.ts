import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

/** Events for Lambda functions. Rejects with the SDK's errors. */
export function lambdaEvents({ client = new LambdaClient() }: { client?: LambdaClient } = {}) {
  return {
    /** Gives a function an event; Lambda keeps it, and tries again where the function fails. */
    async hand(FunctionName: string, event: Readonly<Record<string, unknown>>): Promise<void> {
      await client.send(
        new InvokeCommand({
          FunctionName,
          InvocationType: 'Event',
          Payload: JSON.stringify(event),
        }),
      );
    },
  };
}
