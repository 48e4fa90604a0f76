import { setTimeout as sleep } from 'node:timers/promises';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { LabelRecord, PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { auc } from '../../core/training/metrics.ts';

async function readLines(data: S3Objects, prefix: string, seen: Map<string, string[]>) {
  for (const { key } of await data.list(prefix)) {
    if (seen.has(key)) continue;
    const text = (await data.get(key)).toString('utf8');
    seen.set(key, text.split('\n').filter(Boolean));
  }
  return [...seen.values()].flat();
}

export interface Served {
  /** Predictions in the log, each once. */
  readonly logged: number;
  /** Of those, the ones that were not sent by this demo. */
  readonly unknown: number;
  readonly labelled: number;
  readonly auc: number;
  /** Of the log: from the parsed request to the finished prediction. */
  readonly modelLatencyMs: readonly number[];
}

const waitLimitMs = 90_000;

/**
 * What the prediction log and the labels in S3 say together, once every sent prediction is in the log
 * or no more arrive.
 */
export async function readServed(
  data: S3Objects,
  model: string,
  sent: ReadonlySet<string>,
  onWait: (logged: number) => void,
): Promise<Served> {
  const seen = new Map<string, string[]>();
  const records = new Map<string, PredictionRecord>();
  const startedAt = performance.now();
  for (;;) {
    for (const line of await readLines(data, `predictions/${model}/`, seen)) {
      const record = parseDocument(PredictionRecord, JSON.parse(line), 'a line of the log');
      records.set(record.predictionId, record);
    }
    if (records.size >= sent.size || performance.now() - startedAt > waitLimitMs) break;
    onWait(records.size);
    await sleep(1_000);
  }
  return { ...(await judge(data, model, records)), unknown: unknownIn(records, sent) };
}

const unknownIn = (records: ReadonlyMap<string, unknown>, sent: ReadonlySet<string>): number =>
  [...records.keys()].filter((id) => !sent.has(id)).length;

async function judge(
  data: S3Objects,
  model: string,
  records: ReadonlyMap<string, PredictionRecord>,
): Promise<Omit<Served, 'unknown'>> {
  const labels: number[] = [];
  const scores: number[] = [];
  for (const line of await readLines(data, `labels/${model}/`, new Map())) {
    const { predictionId, label } = parseDocument(LabelRecord, JSON.parse(line), 'a label');
    const record = records.get(predictionId ?? '');
    if (!record) continue;
    labels.push(Number(label));
    scores.push(record.prediction);
  }
  const requests = new Map([...records.values()].map((record) => [record.requestId, record]));
  return {
    logged: records.size,
    labelled: labels.length,
    auc: auc(labels, scores),
    modelLatencyMs: [...requests.values()].map(({ latencyMs }) => latencyMs),
  };
}
