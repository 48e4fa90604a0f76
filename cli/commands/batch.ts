import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import {
  BatchPlan,
  batchInputName,
  batchResultsPrefix,
} from '../../core/inference/files/batch-documents.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { batchKeysOf } from '../batch/batch-files.ts';
import { counted, describeEnded, type EndedBatch } from '../batch/describe-batch.ts';
import { type BatchRequest, followBatch, startBatch } from '../batch/run-batch.ts';
import { type Common, deployedCommand, run, type Situation } from '../command.ts';
import { CommandError, type ExitCode, exitCodes, usageError } from '../command-error.ts';
import { versionNumber } from '../operator.ts';
import { columns } from '../terminal.ts';

interface Options extends Common {
  readonly wait: boolean;
  readonly version?: string;
  readonly resume?: string;
  readonly output?: string;
}

const notes = `
Files of this machine, s3://bucket/prefix, or what was dropped under batch/<model>/ of the data bucket: each file
is a batch of its own, answered whole by one version. Its results lie under batch-predictions/<model>/<file>/<id>/:
part-….parquet (the file's columns, prediction, prediction_id, model_version, __row), errors-….jsonl and
manifest.json. Stopping the command stops no batch: the same command joins it, or goes on with one that broke.
Without files, the batches there are. It ends with ${exitCodes.quarantined} where rows could not be scored.`;

async function planOf(data: S3Objects, model: string, batchId: string): Promise<BatchPlan> {
  const all = await data.list(batchResultsPrefix(model));
  const key = all.find((object) => object.key.endsWith(`/${batchId}/plan.json`))?.key;
  if (key === undefined) {
    throw usageError(`there is no batch ${batchId}; \`slipway batch ${model}\` lists them`);
  }
  return parseDocument(BatchPlan, await data.getJson(key), key);
}

/** The batches there are, the newest first. */
async function list({ deployment, terminal }: Situation, model: string): Promise<ExitCode> {
  const { data } = deployment;
  const all = await data.list(batchResultsPrefix(model));
  const ended = new Set(all.map(({ key }) => key).filter((key) => key.endsWith('/manifest.json')));
  const plans: (Omit<BatchPlan, 'shards'> & { readonly finished: boolean })[] = [];
  for (const { key } of all.filter((object) => object.key.endsWith('/plan.json'))) {
    const { shards: _, ...plan } = parseDocument(BatchPlan, await data.getJson(key), key);
    plans.push({ ...plan, finished: ended.has(key.replace(/plan\.json$/, 'manifest.json')) });
  }
  plans.sort((a, b) => b.plannedAt.localeCompare(a.plannedAt));
  const rows = plans.map((plan) => [
    plan.batchId,
    plan.plannedAt.slice(0, 19).replace('T', ' '),
    `v${plan.version}`,
    counted(plan.rows),
    plan.finished ? 'done' : 'not finished',
    batchInputName(model, plan.input.key),
  ]);
  terminal.result({ batches: plans }, [
    ...(rows.length === 0
      ? [`No file has been scored; \`slipway batch ${model} <files…>\` does.`]
      : columns([['batch', 'planned (UTC)', 'version', 'rows', '', 'file'], ...rows])),
  ]);
  return exitCodes.done;
}

async function requestsOf(
  { deployment, terminal }: Situation,
  model: string,
  sources: readonly string[],
  options: Options,
): Promise<BatchRequest[]> {
  const { data, ledger } = deployment;
  if (options.resume !== undefined) {
    if (sources.length > 0) throw usageError('--resume names its file by itself; leave files out');
    const { input, version } = await planOf(data, model, options.resume);
    return [{ key: input.key, versionId: input.versionId, version }];
  }
  const version =
    options.version === undefined
      ? (await ledger.head(model)).live
      : versionNumber(options.version);
  const keys = await batchKeysOf({ data, model }, sources, terminal);
  const found = await Promise.all(keys.map((key) => data.find(key)));
  return keys.map((key, i) => ({ key, versionId: found[i]?.versionId, version }));
}

/** Brings a batch's results to this machine: the errors too. */
async function download(data: S3Objects, model: string, batch: EndedBatch, folder: string) {
  if (batch.outcome === 'refused') return;
  const target = join(folder, batchInputName(model, batch.key).replaceAll('/', '-'));
  mkdirSync(target, { recursive: true });
  const { shards } = batch.manifest;
  const files = shards.flatMap(({ predictions, rowErrors }) => [predictions, rowErrors]);
  for (const file of files.filter((content) => content !== null)) {
    const path = join(target, basename(file.key));
    const { sha256 } = await data.download(file.key, undefined, path);
    if (sha256 === file.sha256) continue;
    throw new CommandError(
      `${file.key} has SHA-256 ${sha256} and the manifest says ${file.sha256}; run the batch again, which mends it`,
    );
  }
}

function exitCodeOf(batches: readonly EndedBatch[]): ExitCode {
  if (batches.some(({ outcome }) => outcome === 'refused')) return exitCodes.failed;
  const wrong = batches.some((batch) => batch.outcome === 'done' && batch.manifest.errors > 0);
  return wrong ? exitCodes.quarantined : exitCodes.done;
}

async function score(
  situation: Situation,
  model: string,
  sources: readonly string[],
  options: Options,
): Promise<ExitCode> {
  const { deployment, terminal } = situation;
  const { batchStateMachineArn } = deployment.model(model);
  if (batchStateMachineArn === undefined) {
    throw new CommandError(`${model} was deployed before there were batches; deploy it again`);
  }
  const { data } = deployment;
  const requests = await requestsOf(situation, model, sources, options);
  const batches: EndedBatch[] = [];
  for (const request of requests) {
    const started = await startBatch(batchStateMachineArn, request);
    terminal.note(`${request.key}${started.joined ? ', which is going on' : ''}`);
    if (!options.wait) continue;
    const pauseMs = deployment.laptop ? 500 : 2_000;
    const batch = await followBatch({ data, pauseMs }, started, terminal);
    if (options.output !== undefined) await download(data, model, batch, options.output);
    batches.push(batch);
  }
  if (!options.wait) {
    terminal.result({ started: requests }, [
      `Started ${requests.length} batch(es); \`slipway batch ${model}\` shows them.`,
    ]);
    return exitCodes.done;
  }
  const described = batches.flatMap((batch) => describeEnded(batch, data.bucket));
  terminal.result({ batches }, described);
  return exitCodeOf(batches);
}

export const batchCommand = (): Command =>
  deployedCommand({
    usage: 'batch <model> [files...]',
    description: 'predict for every row of files, of this machine or in S3',
    examples: [
      'slipway batch flight-delay flights.parquet --output predictions',
      'slipway batch flight-delay s3://my-lake/flights/2026-11/ --env prod --version 7',
    ],
  })
    .addHelpText('after', notes)
    .option('--version <number>', 'by default the version that is live now')
    .option('--output <folder>', 'bring the results to this machine too')
    .option('--resume <batch>', 'go on with a batch: the same file and version')
    .option('--no-wait', 'only start them')
    .action((model: string, files: string[], options: Options) =>
      run(options, async (situation) => {
        situation.deployment.model(model);
        return files.length === 0 && options.resume === undefined
          ? list(situation, model)
          : score(situation, model, files, options);
      }),
    );
