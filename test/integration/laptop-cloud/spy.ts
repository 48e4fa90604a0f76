// A function whose answers are given by the test, which sees its events.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cloud } from '../../../local/cloud.ts';
import { createFunction } from './functions.ts';

/**
 * Creates a function that asks `answer` what to return; an answer of `{ throws: text }` is thrown instead.
 * @returns every event it was invoked with so far, and the end of the server behind it.
 */
export async function spyFunction<Event>(
  cloud: Cloud,
  name: string,
  answer: (event: Event, call: number) => unknown = () => null,
): Promise<{ events: Event[]; arn: string; stop(): void }> {
  const events: Event[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const event = JSON.parse(Buffer.concat(parts).toString()) as Event;
    events.push(event);
    response.end(JSON.stringify(answer(event, events.length) ?? null));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const arn = await createFunction(
    cloud,
    name,
    `exports.handler = async (event) => {
       const body = JSON.stringify(event);
       const reply = await fetch('http://127.0.0.1:${port}', { method: 'POST', body });
       const answer = await reply.json();
       if (answer?.throws) throw new Error(answer.throws);
       return answer;
     };`,
  );
  return { events, arn, stop: () => server.close().closeAllConnections() };
}
