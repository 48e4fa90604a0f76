import { setTimeout as sleep } from 'node:timers/promises';
import {
  DescribeExecutionCommand,
  paginateListExecutions,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import * as z from 'zod';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { hashOf } from '../../core/canonical-json.ts';
import { BatchManifest, BatchPlan, batchKeys } from '../../core/inference/files/batch-documents.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { CommandError } from '../command-error.ts';
import { readExecution } from '../execution-history.ts';
import type { Terminal } from '../terminal.ts';
import { batchProgress, type EndedBatch } from './describe-batch.ts';

export interface BatchRequest {
  readonly key: string;
  readonly versionId?: string | undefined;
  readonly version?: number | undefined;
}

/** A batch of one file that goes on in the cloud, whether somebody looks or not. */
export interface StartedBatch {
  readonly key: string;
  readonly executionArn: string;
  /** It went on already, and is followed from here. */
  readonly joined: boolean;
}

/** Starts a batch, or joins the one of the same file and version that is going on. */
export async function startBatch(
  stateMachineArn: string,
  request: BatchRequest,
  client = new SFNClient(),
): Promise<StartedBatch> {
  const { key } = request;
  const name = hashOf(request).slice(0, 16);
  const pages = paginateListExecutions({ client }, { stateMachineArn, statusFilter: 'RUNNING' });
  for await (const { executions = [] } of pages) {
    const same = executions.find((execution) => execution.name?.startsWith(`${name}-`));
    if (same?.executionArn) return { key, executionArn: same.executionArn, joined: true };
  }
  const { executionArn = '' } = await client.send(
    new StartExecutionCommand({
      stateMachineArn,
      name: `${name}-${Date.now().toString(36)}`,
      input: JSON.stringify({ trigger: 'person', ...request }),
    }),
  );
  return { key, executionArn, joined: false };
}

const Plan = z.object({ plan: z.object({ prefix: z.string() }) });

/** Where the batch lies, once that is decided. */
async function prefixOf(executionArn: string, client: SFNClient): Promise<string | undefined> {
  for (const { stateExitedEventDetails: left } of await readExecution(
    executionArn,
    client,
  ).history()) {
    if (left?.name !== 'PlanBatch') continue;
    return Plan.safeParse(JSON.parse(left.output ?? '{}')).data?.plan.prefix;
  }
  return undefined;
}

/** Tells how far the shards are, each time that it has changed. */
function narrator(data: S3Objects, prefix: string, terminal: Pick<Terminal, 'note'>) {
  const keys = batchKeys(prefix);
  let progress: ReturnType<typeof batchProgress> | undefined;
  return async (): Promise<void> => {
    if (!progress) {
      const plan = parseDocument(BatchPlan, await data.getJson(keys.plan), keys.plan);
      progress = batchProgress(plan, performance.now());
    }
    const receipts = await data.list(keys.receipts);
    const done = receipts.map(({ key }) => Number(/(\d+)\.json$/.exec(key)?.[1] ?? -1));
    const line = progress(done, performance.now());
    if (line !== undefined) terminal.note(`  ${line}`);
  };
}

const Ended = z.object({
  finish: z.object({
    outcome: z.enum(['done', 'refused']),
    reasons: z.array(z.string()).default([]),
    manifestKey: z.string().optional(),
  }),
});

async function ended(data: S3Objects, key: string, output: string): Promise<EndedBatch> {
  const { finish } = parseDocument(Ended, JSON.parse(output), "the batch's end");
  const { manifestKey, reasons } = finish;
  if (manifestKey === undefined) return { outcome: 'refused', key, reasons };
  const manifest = parseDocument(BatchManifest, await data.getJson(manifestKey), manifestKey);
  return { outcome: 'done', key, prefix: manifestKey.replace(/manifest\.json$/, ''), manifest };
}

/** Follows a batch to its end. @throws CommandError where it failed. */
export async function followBatch(
  { data, pauseMs }: { readonly data: S3Objects; readonly pauseMs: number },
  batch: StartedBatch,
  terminal: Pick<Terminal, 'note'>,
  client = new SFNClient(),
): Promise<EndedBatch> {
  const { executionArn, key } = batch;
  let tell: (() => Promise<void>) | undefined;
  for (;;) {
    const execution = await client.send(new DescribeExecutionCommand({ executionArn }));
    const { cause, error, output, status } = execution;
    const prefix = tell ? undefined : await prefixOf(executionArn, client);
    if (prefix !== undefined) tell = narrator(data, prefix, terminal);
    await tell?.();
    if (status === 'SUCCEEDED') return ended(data, key, output ?? '{}');
    if (status !== 'RUNNING') {
      const why = [error, cause?.slice(0, 500)].filter(Boolean).join(': ');
      throw new CommandError(
        `the batch of ${key} ended as ${status}${why ? ` (${why})` : ''}; what was scored is kept, the same command goes on with the rest`,
      );
    }
    await sleep(pauseMs);
  }
}
