import {
  CloudFormationClient,
  DescribeStacksCommand,
  UpdateStackCommand,
} from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { beforeAll, expect } from 'vitest';
import {
  clientConfig,
  deployTemplate,
  eventually,
  gapTest,
  isRunning,
  useCloud,
} from './harness.ts';
import { type ServiceOptions, serviceTemplate, uploadProgram } from './tasks.ts';

interface Answer {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly pid: number;
  readonly version: string;
  readonly signs: string;
  readonly file: readonly string[];
}

const cloud = useCloud();
let api = '';

beforeAll(() => uploadProgram(cloud()));

async function ask(path: string): Promise<Answer & { readonly status: number }> {
  if (api === '') throw new Error('there is no API to ask');
  const response = await fetch(`${cloud().endpoint}/restapis/${api}/live/_user_request_${path}`, {
    method: 'POST',
    headers: { 'x-caller': 'a liar', 'x-own': 'kept' },
  });
  const text = await response.text();
  return { status: response.status, ...(response.ok && JSON.parse(text)) };
}

async function update(options: ServiceOptions): Promise<string | undefined> {
  const client = new CloudFormationClient(clientConfig(cloud()));
  const StackName = 'served';
  const TemplateBody = JSON.stringify(serviceTemplate(options));
  await client.send(
    new UpdateStackCommand({ StackName, TemplateBody, Capabilities: ['CAPABILITY_IAM'] }),
  );
  return eventually(async () => {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName }));
    const status = Stacks[0]?.StackStatus;
    return status?.endsWith('_IN_PROGRESS') ? undefined : status;
  });
}

async function answersOf(path: string, wanted: number): Promise<Set<number>> {
  const pids = new Set<number>();
  await eventually(async () => {
    pids.add((await ask(path)).pid);
    return pids.size >= wanted ? true : undefined;
  });
  return pids;
}

gapTest('a task is a process that an API asks over the load balancer', async () => {
  ({ Api: api = '' } = await deployTemplate(
    cloud(),
    'served',
    serviceTemplate({ version: 'one' }),
  ));
  const answer = await ask('/models/churn/infer');
  expect(answer).toMatchObject({ status: 200, path: '/models/churn/infer', version: 'one' });
  expect(answer.headers).toMatchObject({ 'x-caller': 'nobody', 'x-own': 'kept' });
  expect(answer.headers['x-amzn-requestid']).toMatch(/^[0-9a-f-]{36}$/);
  expect(answer.file).toContain('server.js');
  expect(answer.signs).toMatch(/^ASIA/);
  expect((await answersOf('/models/churn/infer', 2)).size).toBe(2);
  const logs = new CloudWatchLogsClient(clientConfig(cloud()));
  const lines = await eventually(async () => {
    const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName: '/tasks' }));
    const messages = events.map(({ message }) => message);
    return messages.includes('listening one') ? messages : undefined;
  });
  expect(lines).toContain('download: s3://code/server.js.gz to /code/server.js.gz');
});

gapTest('a new definition takes over before the old tasks end, and loses no request', async () => {
  const before = await answersOf('/models/churn/infer', 2);
  let over = false;
  const versions = new Set<string>();
  const asked = Array.from({ length: 4 }, async (_, n) => {
    while (!over) {
      const { status, version } = await ask(`/models/churn/${n === 0 ? 'slow' : 'infer'}`);
      expect(status).toBe(200);
      versions.add(version);
    }
  });
  const updated = update({ version: 'two' }).finally(() => {
    over = true;
  });
  expect(await updated).toBe('UPDATE_COMPLETE');
  await Promise.all(asked);
  expect([...versions].sort()).toEqual(['one', 'two']);
  await eventually(() => ([...before].some(isRunning) ? undefined : true));
});

gapTest('a task that ends is replaced', async () => {
  const before = await answersOf('/models/churn/infer', 2);
  await ask('/models/churn/down');
  const fresh = await eventually(async () => {
    const { pid, status } = await ask('/models/churn/infer');
    return status === 200 && !before.has(pid) ? pid : undefined;
  });
  expect(isRunning(fresh)).toBe(true);
});

gapTest('a definition whose tasks do not stay is rolled back', async () => {
  const command = ['node', '-e', 'process.exit(7)'];
  expect(await update({ version: 'three', command })).toBe('UPDATE_ROLLBACK_COMPLETE');
  expect((await ask('/models/churn/infer')).version).toBe('two');
});
