// Tests of the laptop cloud's gaps. With SLIPWAY_BARE_EMULATOR=1 the same files run against the
// emulator as it comes, and every gap test must fail there: a gap that is none is not closed twice.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import { afterAll, beforeAll, it, onTestFinished, type TestFunction } from 'vitest';
import { type Cloud, type CloudOptions, startCloud } from '../../../local/cloud.ts';

const bare = process.env['SLIPWAY_BARE_EMULATOR'] === '1';
const startLimitMs = 60_000;
// Long enough for a slow machine; on the bare emulator a test that waits for what never comes ends early.
const testLimitMs = bare ? 20_000 : 90_000;

/** A behaviour of AWS that the bare emulator lacks: passes with the gaps closed, fails without. */
export function gapTest(title: string, test: TestFunction): void {
  (bare ? it.fails : it)(title, { timeout: testLimitMs }, test);
}

/** One laptop cloud for the whole file; the returned function gives it once `beforeAll` has run. */
export function useCloud(options?: CloudOptions): () => Cloud {
  let cloud: Cloud | undefined;
  beforeAll(async () => {
    cloud = await startCloud(options);
  }, startLimitMs);
  afterAll(async () => {
    await cloud?.stop();
  }, startLimitMs);
  return () => {
    if (!cloud)
      throw new Error('The laptop cloud is there from beforeAll on; call this in a test.');
    return cloud;
  };
}

/** What an AWS SDK client of this cloud is constructed with. */
export function clientConfig(cloud: Cloud): {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  forcePathStyle: true;
} {
  return {
    endpoint: cloud.endpoint,
    region: cloud.region,
    credentials: {
      accessKeyId: cloud.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: cloud.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
    forcePathStyle: true,
  };
}

/** Deploys a template and gives its outputs. */
export async function deployTemplate(
  cloud: Cloud,
  StackName: string,
  template: object,
): Promise<Record<string, string>> {
  const client = new CloudFormationClient(clientConfig(cloud));
  await client.send(
    new CreateStackCommand({
      StackName,
      TemplateBody: JSON.stringify(template),
      Capabilities: ['CAPABILITY_IAM'],
    }),
  );
  const stack = await eventually(async () => {
    const [described] = (await client.send(new DescribeStacksCommand({ StackName }))).Stacks ?? [];
    return described?.StackStatus === 'CREATE_IN_PROGRESS' ? undefined : described;
  });
  if (stack.StackStatus !== 'CREATE_COMPLETE') {
    throw new Error(`${StackName}: ${stack.StackStatus} ${stack.StackStatusReason}`);
  }
  const outputs = stack.Outputs ?? [];
  return Object.fromEntries(outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
}

/** Asks every 50 ms until the answer is not undefined, and gives it back; the test's own limit ends it. */
export async function eventually<T>(ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Whether a process runs; one that has ended and waits for its parent to notice does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^Z|^$/.test(
      execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim(),
    );
  } catch {
    return false;
  }
}

/** A new folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'laptop-cloud-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
