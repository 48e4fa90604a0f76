// A laptop cloud of the test's own, started as a user starts it, and the doors into it.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { expect } from 'vitest';
import { type Finished, root, slipway, startSlipway } from './command-line.ts';

export const model = 'flight-delay';

/** Asks until there is an answer. The test's own time limit is the limit. */
export async function until<T>(
  ask: () => Promise<T | undefined> | T | undefined,
  pauseMs = 50,
): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(pauseMs);
  }
}

export type Laptop = Awaited<ReturnType<typeof startLaptop>>;

/**
 * Starts `slipway local` and points the AWS SDKs of this process at it.
 * @param modelsFolder of other models than those of the repository
 */
export async function startLaptop(modelsFolder?: string) {
  const command = startSlipway(
    ['local', '--json'],
    modelsFolder === undefined ? {} : { SLIPWAY_MODELS: modelsFolder },
  );
  await command.saying(/Ctrl-C stops it/);
  const port = (await command.saying(/"port": (\d+)/))[1] ?? '';
  const api = (await command.saying(/API +(http:\S+)/))[1] ?? '';
  const { env, endpoint, logFile } = JSON.parse(
    readFileSync(join(root, '.slipway', 'local', `${port}.json`), 'utf8'),
  );
  Object.assign(process.env, env);
  const s3 = new S3Client({});
  const ssm = new SSMClient({});
  const parameter = async (name: string): Promise<string> => {
    const Name = `/slipway/local/${name}`;
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name }));
    return Parameter?.Value ?? '';
  };
  const cli = (...args: string[]): Promise<Finished> => slipway(...args, '--cloud', port);
  const objects = (bucket: string) => ({
    bucket,
    async keys(prefix: string): Promise<string[]> {
      const found: string[] = [];
      for await (const page of paginateListObjectsV2(
        { client: s3 },
        { Bucket: bucket, Prefix: prefix },
      )) {
        found.push(...(page.Contents ?? []).flatMap(({ Key }) => Key ?? []));
      }
      return found;
    },
    async put(key: string, body: string): Promise<void> {
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    },
    async text(key: string): Promise<string> {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return (await Body?.transformToString()) ?? '';
    },
    async json(key: string) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return JSON.parse((await Body?.transformToString()) ?? 'null');
    },
    async remove(key: string): Promise<void> {
      await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
  });
  return {
    endpoint: endpoint as string,
    api,
    /** What a stack offers under /slipway/local/. */
    parameter,
    /** Everything of this laptop cloud runs and lies in here. */
    folder: dirname(logFile),
    data: objects(await parameter('data-bucket')),
    artifacts: objects(await parameter('artifacts-bucket')),
    tableName: await parameter('registry-table'),
    cli,
    /** What a command that succeeds says as JSON. */
    async json(...args: string[]) {
      const { code, stdout, stderr } = await cli(...args, '--json');
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout);
    },
    async stop(): Promise<void> {
      if (command.child.exitCode === null) command.interrupt();
      await command.finished;
    },
  };
}
