import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/**
 * A client that asks as the clients of all other services do. The SDK's own way to Kinesis is one HTTP/2
 * session for all requests, which is for subscriptions, and whose end ends all that is under way on it.
 */
export const kinesisClient = (): KinesisClient =>
  new KinesisClient({
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 1_000,
      requestTimeout: 10_000,
      throwOnRequestTimeout: true,
    }),
  });
