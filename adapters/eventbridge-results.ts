import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { Destination } from '../core/inference/streams/publish-once.ts';
import { sendResults } from './send-results.ts';

/** Of one PutEvents. */
const limits = { results: 10, bytes: 250_000 };

export interface EventBridgeResultsOptions {
  readonly busName: string;
  /** What rules match on. */
  readonly source: string;
  readonly detailTypeOf: (text: string) => string;
  readonly client?: EventBridgeClient;
}

/** Results as events of a bus, their whole text the detail. */
export function eventbridgeResults(options: EventBridgeResultsOptions): Destination {
  const { busName, source, detailTypeOf, client = new EventBridgeClient() } = options;
  return {
    name: 'bus',
    send: (results, deadlineMs) =>
      sendResults(results, deadlineMs, limits, async (part, abortSignal) => {
        const { Entries = [] } = await client.send(
          new PutEventsCommand({
            Entries: part.map(({ text }) => ({
              EventBusName: busName,
              Source: source,
              DetailType: detailTypeOf(text),
              Detail: text,
            })),
          }),
          { abortSignal },
        );
        return new Map(
          Entries.flatMap(({ ErrorCode, ErrorMessage }, at) =>
            ErrorCode === undefined ? [] : [[at, `${ErrorCode}: ${ErrorMessage ?? ''}`] as const],
          ),
        );
      }),
  };
}
