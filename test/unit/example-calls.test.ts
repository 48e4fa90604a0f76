// The calls that are shown are run here, as they stand, against an API of the test's own.
import { execFile } from 'node:child_process';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type CallersDoor,
  curlCall,
  type ExampleCall,
  pythonCall,
} from '../../cli/example-calls.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const clientFolder = join(root, 'clients', 'python');
const python = join(root, '.venv', 'client', 'bin', 'python');

interface Received {
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

let received: Received[];
let server: Server;
let baseUrl: string;

beforeEach(async () => {
  received = [];
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    received.push({ url: request.url, headers: request.headers, body });
    const ids = body.instances.map((_: unknown, i: number) => `churn-v2-7f-${i}`);
    const predictions = ids.map(() => 0.25);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ predictions, prediction_ids: ids, model_version: '2' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/live`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const instances = [
  {
    'Cost: Total $ (USD)': 1.5e-7,
    "Pilot's note": `it's "fine"; \\ $HOME $(id) \`id\` %s\n{"a": null}`,
    Ærø: '日本 🛫',
    'wildlife.size': null,
    is_night: true,
    was_day: false,
    count: -3,
    at: '2001-03-05T06:00:00Z',
  },
  { 'Cost: Total $ (USD)': 2 },
];
const byCommand: CallersDoor = {
  auth: 'jwt',
  tokenCommand: ['printf', "%s'%s", 'a', 'b'],
  tokenFolder: root,
};
const byVariable: CallersDoor = { auth: 'jwt', tokenVariable: 'SLIPWAY_TOKEN' };

const call = (door: CallersDoor): ExampleCall => ({
  baseUrl,
  model: 'churn',
  instances,
  door,
  clientFolder,
});
const environment = {
  ...process.env,
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_DEFAULT_REGION: 'eu-west-1',
  SLIPWAY_TOKEN: "a'b",
  PYTHONPATH: join(clientFolder, 'src'),
};

const shell = (lines: string[]) => run('sh', ['-c', lines.join('\n')], { env: environment });
const interpreter = (lines: string[]) =>
  run(python, ['-W', 'error', '-c', lines.join('\n')], { env: environment });

describe('the call that is shown', () => {
  it.each([byCommand, byVariable])(
    'of curl sends the instances to the letter: %j',
    async (door) => {
      const { stdout } = await shell(curlCall(call(door)));
      expect(JSON.parse(stdout).predictions).toEqual([0.25, 0.25]);
      expect(received).toHaveLength(1);
      expect(received[0]).toMatchObject({
        url: '/live/v1/models/churn:predict',
        headers: { authorization: "Bearer a'b", 'content-type': 'application/json' },
      });
      expect(received[0]?.body).toEqual({ instances });
    },
  );

  it.each([byCommand, byVariable])('of Python does too: %j', async (door) => {
    const { stdout } = await interpreter(pythonCall(call(door)));
    expect(stdout).toContain("prediction=0.25, prediction_id='churn-v2-7f-1', version=2");
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      url: '/live/v1/models/churn:predict',
      headers: { authorization: "Bearer a'b" },
    });
    expect(received[0]?.body).toEqual({ instances });
  });

  it('of Python gets its token from any folder', async () => {
    const tokenFolder = join(root, 'clients');
    const tokenCommand = ['sh', '-c', 'basename "$PWD"'];
    await interpreter(pythonCall(call({ auth: 'jwt', tokenCommand, tokenFolder })));
    expect(received[0]?.headers.authorization).toBe('Bearer clients');
  });

  it('goes through the proxy with curl, and is signed by Python, where callers sign', async () => {
    const door: CallersDoor = { auth: 'iam', environment: 'dev', proxyUrl: baseUrl };
    const shown = curlCall(call(door));
    expect(shown[0]).toContain('slipway proxy --env dev');
    await shell(shown);
    await interpreter(pythonCall(call(door)));
    expect(received.map(({ body }) => body)).toEqual([{ instances }, { instances }]);
    const [byCurl, byPython] = received.map(({ headers }) => headers.authorization);
    expect(byCurl).toBeUndefined();
    expect(byPython).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/execute-api/,
    );
  });

  it('names the package to install, with what signing needs', () => {
    const [install] = pythonCall(call({ auth: 'iam', environment: 'dev', proxyUrl: '' }));
    expect(install).toBe(`# pip install '${clientFolder}[iam]'`);
  });
});
