import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { parsedRecord } from '../../core/monitoring/count-window.ts';
import type { Quality } from '../../core/monitoring/drift-report.ts';
import { judgeQuality, promisedMetric } from '../../core/monitoring/judge-quality.ts';
import { labelledIn, labelledKey } from '../../core/monitoring/labelled-predictions.ts';
import {
  hourMs,
  logHours,
  logPrefix,
  type TimeWindow,
  windowBefore,
} from '../../core/monitoring/log-window.ts';
import type { Lineage, ModelVersion } from '../../core/registry/records.ts';

/** Every line of a window's log, an object in memory at a time. */
export async function* logLines(
  data: S3Objects,
  model: string,
  window: TimeWindow,
): AsyncGenerator<string> {
  for (const hour of logHours(window)) {
    for (const { key } of await data.list(logPrefix(model, hour))) {
      for (const line of (await data.get(key)).toString('utf8').split('\n')) {
        if (line.trim() !== '') yield line;
      }
    }
  }
}

/** A prediction that is made at the end of an hour may come to the log in the next one. */
const logged = ({ from, to }: TimeWindow): TimeWindow => ({
  from,
  to: new Date(to.getTime() + hourMs),
});

/** How many predictions of a version the log has, of a window. */
export async function countPredictions(
  data: S3Objects,
  { model, version }: ModelVersion,
  window: TimeWindow,
): Promise<number> {
  const [from, to] = [window.from.toISOString(), window.to.toISOString()];
  let count = 0;
  for await (const line of logLines(data, model, logged(window))) {
    const record = parsedRecord(line);
    if (record?.model !== model || record.version !== version) continue;
    if (record.purpose !== undefined) continue;
    if (record.predictedAt >= from && record.predictedAt < to) count += 1;
  }
  return count;
}

async function labelledPredictions(
  data: S3Objects,
  { model, version }: ModelVersion,
  window: TimeWindow,
) {
  const wanted = new Set(logHours(logged(window)).map((hour) => labelledKey(model, hour)));
  const days = new Set([...wanted].map((key) => key.slice(0, key.lastIndexOf('/') + 1)));
  const labels: number[] = [];
  const predictions: number[] = [];
  const found = await Promise.all([...days].map((day) => data.list(day)));
  for (const { key } of found.flat()) {
    if (!wanted.has(key)) continue;
    const text = (await data.get(key)).toString('utf8');
    for (const { label, prediction } of labelledIn(text, version, window)) {
      labels.push(Number(label));
      predictions.push(prediction);
    }
  }
  return { labels, predictions };
}

/**
 * How good a version's predictions turned out: those of the last `windowHours` before labels can be
 * expected.
 * @param promised the version's metrics on its holdout
 * @param checked the instant of the check, and the version's rows of the window that ends with it
 */
export async function measureQuality(
  data: S3Objects,
  definition: ModelDefinition,
  version: ModelVersion,
  promised: Lineage['metrics'],
  checked: { readonly at: Date; readonly rows: number },
): Promise<Quality> {
  const { labelDelayHours, quality: policy, windowHours } = definition.monitoring;
  const end = new Date(checked.at.getTime() - labelDelayHours * hourMs);
  const window = windowBefore(end, windowHours);
  const predicted =
    labelDelayHours === 0 ? checked.rows : await countPredictions(data, version, window);
  const judged = judgeQuality(
    {
      ...(await labelledPredictions(data, version, window)),
      metric: definition.evaluation.metric,
      reference: promisedMetric(definition.evaluation.metric, promised),
      predicted,
    },
    policy,
  );
  return { ...judged, window: { from: window.from.toISOString(), to: window.to.toISOString() } };
}
