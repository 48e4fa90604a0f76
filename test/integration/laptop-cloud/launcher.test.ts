import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { CreateBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { type Cloud, CloudStartError, startCloud } from '../../../local/cloud.ts';
import { clientConfig, eventually, isRunning } from './harness.ts';

const limit = { timeout: 60_000 };
const cloudModule = new URL('../../../local/cloud.ts', import.meta.url).href;

async function bucketNames(cloud: Cloud): Promise<(string | undefined)[]> {
  const { Buckets = [] } = await new S3Client(clientConfig(cloud)).send(new ListBucketsCommand({}));
  return Buckets.map((bucket) => bucket.Name);
}

/** A Node process with a cloud of its own, as the command line would be. */
async function ownerProcess(): Promise<{
  owner: ReturnType<typeof spawn>;
  folder: string;
  pid: number;
}> {
  const script = `
    const { startCloud } = await import(${JSON.stringify(cloudModule)});
    const { folder, pid } = await startCloud();
    console.log(JSON.stringify({ folder, pid }));
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(owner.stdout), 'line');
  return { owner, ...(JSON.parse(line) as { folder: string; pid: number }) };
}

describe('a laptop cloud', () => {
  it('shares nothing with another one beside it', limit, async () => {
    const [one, two] = await Promise.all([startCloud(), startCloud()]);
    try {
      expect(one.port).not.toBe(two.port);
      await new S3Client(clientConfig(one)).send(
        new CreateBucketCommand({ Bucket: 'only-in-one' }),
      );
      expect(await bucketNames(one)).toEqual(['only-in-one']);
      expect(await bucketNames(two)).toEqual([]);
    } finally {
      await Promise.all([one.stop(), two.stop()]);
    }
  });

  it('leaves no process and no folder when it is stopped, however often', limit, async () => {
    const cloud = await startCloud();
    expect(readdirSync(cloud.folder)).toContain('cloud.log');
    await Promise.all([cloud.stop(), cloud.stop()]);
    await cloud.stop();
    expect(isRunning(cloud.pid)).toBe(false);
    expect(existsSync(cloud.folder)).toBe(false);
    await expect(fetch(cloud.endpoint)).rejects.toThrow();
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'leaves no process and no folder when its owner gets %s',
    limit,
    async (signal) => {
      const { owner, folder, pid } = await ownerProcess();
      expect(isRunning(pid)).toBe(true);
      owner.kill(signal);
      const [, endedBy] = await once(owner, 'exit');
      expect(endedBy).toBe(signal);
      await eventually(() => (isRunning(pid) || existsSync(folder) ? undefined : true));
    },
  );

  it('says what is in the way when the port is taken', limit, async () => {
    const cloud = await startCloud();
    try {
      const second = startCloud({ port: cloud.port });
      await expect(second).rejects.toBeInstanceOf(CloudStartError);
      await expect(second).rejects.toThrow(`port ${cloud.port} cannot be opened`);
    } finally {
      await cloud.stop();
    }
  });

  it('refuses to leave open a gap that does not exist', limit, async () => {
    await expect(startCloud({ gaps: 'all', without: ['no_such_gap'] })).rejects.toThrow(
      'no such gap: no_such_gap',
    );
  });
});
