import { ObjectNotFoundError } from '../../adapters/object-errors.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { isFeedback, LabelReport, labelReportKey } from '../../core/monitoring/label-report.ts';
import {
  type LabelledHour,
  labelledKey,
  labelledPrefix,
} from '../../core/monitoring/labelled-predictions.ts';
import type { LogHour } from '../../core/monitoring/log-window.ts';
import { labelledDropKey } from '../../core/monitoring/training-rows.ts';
import type { LabelFile } from './read-label-file.ts';

async function textOf(data: S3Objects, key: string): Promise<string | undefined> {
  try {
    return (await data.get(key)).toString('utf8');
  } catch (error) {
    if (error instanceof ObjectNotFoundError) return undefined;
    throw error;
  }
}

const none: LabelledHour = { predictions: '', trainingRows: '', rows: 0 };

/**
 * Writes the hours whose labelled predictions are others than before; answers how many. The drop comes
 * first: killed in between, the hour is written again, and a drop of the same content is nothing new.
 */
export async function writeHours(
  data: S3Objects,
  model: string,
  hours: readonly LogHour[],
  found: ReadonlyMap<LogHour, LabelledHour>,
): Promise<number> {
  const there = new Set((await data.list(labelledPrefix(model))).map(({ key }) => key));
  let changed = 0;
  for (const hour of hours) {
    const key = labelledKey(model, hour);
    const now = found.get(hour) ?? none;
    if (!found.has(hour) && !there.has(key)) continue;
    const before = there.has(key) ? await textOf(data, key) : '';
    if (before === now.predictions) continue;
    const drop = labelledDropKey(model, hour);
    if (now.rows > 0) await data.put(drop, now.trainingRows);
    else if (before?.includes('"isTrainedOn":true')) await data.remove(drop);
    await data.put(key, now.predictions);
    changed += 1;
  }
  return changed;
}

interface Told {
  readonly file: LabelFile;
  readonly matched: number;
}

const reportOf = (
  model: string,
  { file, matched }: Told,
  notTrainedOn: string | undefined,
): LabelReport => ({
  model,
  key: file.key,
  sha256: file.sha256,
  receivedAt: file.receivedAt,
  rows: file.rows,
  matched,
  unmatched: file.labels.length - matched,
  invalid: file.rows === null ? 0 : file.rows - file.labels.length,
  problems: [...file.problems],
  notTrainedOn: notTrainedOn ?? null,
});

/**
 * Says what became of each file of labels. Of what the feedback API took only something wrong is told.
 * Predictions leave the label window before their labels do: a report never tells of fewer matches.
 */
export async function writeReports(
  data: S3Objects,
  model: string,
  told: readonly Told[],
  notTrainedOn: string | undefined,
): Promise<void> {
  const written = new Set<string>();
  for (const one of told) {
    const { key, sha256, problems } = one.file;
    if (isFeedback(model, key) && problems.length === 0) continue;
    // The same content under two names is one report.
    if (written.has(sha256)) continue;
    written.add(sha256);
    const report = canonicalJson(reportOf(model, one, notTrainedOn));
    const at = labelReportKey(model, sha256);
    const before = await textOf(data, at);
    if (before === report) continue;
    const known = before === undefined ? undefined : LabelReport.parse(JSON.parse(before));
    if ((known?.matched ?? 0) <= one.matched) await data.put(at, report);
  }
}
