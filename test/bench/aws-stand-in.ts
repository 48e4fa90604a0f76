// What a function asks at its start, answered from memory: the ledger's head, a version's record, its
// artifacts, and the prediction log. It says at once what AWS takes some milliseconds for.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { versionKey } from '../../adapters/dynamodb-registry-keys.ts';
import type { BuiltVersion } from '../builders/model-version.ts';

export interface StandIn {
  readonly url: string;
  /** Requests by what they ask for, since it was last asked. */
  takeRequests(): readonly string[];
  stop(): Promise<void>;
}

/** A value as DynamoDB writes it. */
function attribute(value: unknown): object {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (value === null) return { NULL: true };
  if (Array.isArray(value)) return { L: value.map(attribute) };
  const entries = Object.entries(value as object).filter(([, part]) => part !== undefined);
  return { M: Object.fromEntries(entries.map(([key, part]) => [key, attribute(part)])) };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const operationOf = ({ headers }: IncomingMessage): string =>
  String(headers['x-amz-target'] ?? '').replace(/^.*\./, '');

/** @param roundTripMs how long each answer is held back */
export async function startStandIn(
  { record, objects }: BuiltVersion,
  roundTripMs: number,
): Promise<StandIn> {
  const { model, version } = record;
  const documents: Record<string, object> = {
    HEAD: { model, sequence: 1, live: version },
    [versionKey(model, version).sk]: record,
  };
  let requests: string[] = [];
  const answer = async (request: IncomingMessage) => {
    const operation = operationOf(request);
    if (operation === 'PutRecordBatch') {
      const { Records = [] } = JSON.parse(await bodyOf(request));
      const RequestResponses = Records.map((_: unknown, i: number) => ({ RecordId: String(i) }));
      return { what: operation, body: JSON.stringify({ FailedPutCount: 0, RequestResponses }) };
    }
    if (operation === 'GetItem') {
      const sk = String(JSON.parse(await bodyOf(request)).Key.sk.S);
      const document = documents[sk];
      if (!document) throw new Error(`nobody knows ${sk}`);
      const Item = { document: attribute(document) };
      return { what: `${operation} ${sk}`, body: JSON.stringify({ Item }) };
    }
    const key = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const object = objects.get(key.replace(/^\/[^/]*\//, ''));
    if (!object) throw new Error(`nobody has ${key}`);
    return { what: `GetObject ${key}`, body: object };
  };
  const server = createServer((request, response) => {
    answer(request).then(
      ({ what, body }) => {
        requests.push(what);
        response.setHeader('content-length', Buffer.byteLength(body));
        setTimeout(() => response.end(body), roundTripMs);
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    takeRequests() {
      const taken = requests;
      requests = [];
      return taken;
    },
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
