import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import { labelJoin } from '../../adapters/duckdb-label-join.ts';
import type { S3Objects, StoredVersion } from '../../adapters/s3-objects.ts';
import { log } from '../../adapters/structured-log.ts';
import { sha256 } from '../../core/canonical-json.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { isFeedback, labelsPrefix } from '../../core/monitoring/label-report.ts';
import { type LabelledHour, labelledLines } from '../../core/monitoring/labelled-predictions.ts';
import { hourMs, type LogHour, logHours, logPrefix } from '../../core/monitoring/log-window.ts';
import { whyNotTrainedOn } from '../../core/monitoring/training-rows.ts';
import type { JoinLabelsResult } from './join-labels.contract.ts';
import { type LabelFile, readFeedback, readLabelFile } from './read-label-file.ts';
import { writeHours, writeReports } from './write-labelled.ts';

type LabelJoin = Awaited<ReturnType<typeof labelJoin>>;

/** The SDK opens 50 connections. */
const requestsAtOnce = 48;
const hoursAtOnce = 6;
const requestsOfHour = requestsAtOnce / hoursAtOnce;

async function readFiles(
  data: S3Objects,
  database: DuckdbDatabase,
  definition: ModelDefinition,
  stored: readonly StoredVersion[],
): Promise<LabelFile[]> {
  const isSent = ({ key }: StoredVersion) => isFeedback(definition.name, key);
  const files: LabelFile[] = [];
  const sent = stored.filter(isSent);
  for (let from = 0; from < sent.length; from += requestsAtOnce) {
    const some = sent.slice(from, from + requestsAtOnce);
    files.push(...(await Promise.all(some.map((one) => readFeedback(data, one)))));
  }
  for (const one of stored) {
    if (!isSent(one)) files.push(await readLabelFile(data, database, definition, one));
  }
  return files;
}

/** Brings the log of an hour here; resolves to its files. */
async function downloadHour(
  data: S3Objects,
  database: DuckdbDatabase,
  prefix: string,
): Promise<string[]> {
  const logged = (await data.list(prefix)).filter(({ bytes }) => bytes > 0);
  const paths: string[] = [];
  for (let from = 0; from < logged.length; from += requestsOfHour) {
    const some = logged.slice(from, from + requestsOfHour).map(async ({ key }) => {
      const path = join(database.folder, `log-${sha256(key)}`);
      await data.download(key, undefined, path);
      return path;
    });
    paths.push(...(await Promise.all(some)));
  }
  return paths;
}

/** S3 is far away: a window has thousands of small objects, and one after the other would take too long. */
async function addPredictions(
  data: S3Objects,
  database: DuckdbDatabase,
  joined: LabelJoin,
  { model, hours }: { readonly model: string; readonly hours: readonly LogHour[] },
): Promise<void> {
  for (let from = 0; from < hours.length; from += hoursAtOnce) {
    const some = hours.slice(from, from + hoursAtOnce);
    const found = await Promise.all(
      some.map((hour) => downloadHour(data, database, logPrefix(model, hour))),
    );
    for (const [i, paths] of found.entries()) {
      await joined.addPredictions(paths, from + i);
      await Promise.all(paths.map((path) => rm(path)));
    }
  }
}

async function labelledHours(
  joined: LabelJoin,
  definition: ModelDefinition,
  hours: readonly LogHour[],
): Promise<Map<LogHour, LabelledHour>> {
  const write = labelledLines(definition);
  const lines = new Map<LogHour, { predictions: string[]; trainingRows: string[] }>();
  for await (const { hour, line, label } of joined.lines()) {
    const written = write(line, JSON.parse(label));
    if (!written) continue;
    const name = hours[hour] ?? '';
    const found = lines.get(name) ?? { predictions: [], trainingRows: [] };
    found.predictions.push(written.prediction);
    if (written.trainingRow) found.trainingRows.push(written.trainingRow);
    lines.set(name, found);
  }
  return new Map(
    [...lines].map(([hour, { predictions, trainingRows }]) => [
      hour,
      {
        predictions: predictions.join(''),
        trainingRows: trainingRows.join(''),
        rows: trainingRows.length,
      },
    ]),
  );
}

async function addLabels(
  joined: LabelJoin,
  files: readonly LabelFile[],
): Promise<Map<number, LabelFile>> {
  const numbers = new Map<number, LabelFile>();
  for (const file of files) {
    const labels = file.labels.map(({ entityKey, label, ...rest }) => ({
      ...rest,
      entity: entityKey === null ? null : String(entityKey),
      label: JSON.stringify(label),
    }));
    numbers.set(await joined.addLabels(file.key, labels), file);
  }
  return numbers;
}

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/**
 * Joins all labels of the label window with the prediction log, and writes down each hour whose labelled
 * predictions changed: with the predictions for the check of quality, and as a drop of training rows. The
 * result is a function of both, so that labels may come before or after their predictions were logged, in
 * any order, and again. The newest label of a prediction is its label.
 */
export async function joinLabels(
  data: S3Objects,
  definition: ModelDefinition,
  now: Date,
): Promise<z.input<typeof JoinLabelsResult>> {
  const { name: model, monitoring } = definition;
  const days = monitoring.labelWindowDays;
  const start = Math.floor((now.getTime() - days * 24 * hourMs) / hourMs) * hourMs;
  const hours = logHours({ from: new Date(start), to: now });
  // Of a prediction that came late to the log, the label may be older than the hour that it is in.
  const oldest = start - 24 * hourMs;
  const stored = (await data.listVersions(labelsPrefix(model))).filter(
    ({ key, modifiedAt }) => !key.endsWith('/') && modifiedAt.getTime() >= oldest,
  );
  return withDuckdb(async (database) => {
    const files = await readFiles(data, database, definition, stored);
    const joined = await labelJoin(database, model, definition.data.eventTime);
    const numbers = await addLabels(joined, files);
    if (files.length > 0) await addPredictions(data, database, joined, { model, hours });
    await joined.join();
    const found = await labelledHours(joined, definition, hours);
    const changedHours = await writeHours(data, model, hours, found);
    const matched = await joined.matched();
    const told = [...numbers].map(([n, file]) => ({ file, matched: matched.get(n) ?? 0 }));
    const notTrainedOn = whyNotTrainedOn(definition);
    await writeReports(data, model, told, notTrainedOn);
    const labels = sum(files.map((file) => file.labels.length));
    const result = {
      files: files.length,
      matched: sum(matched.values()),
      unmatched: labels - sum(matched.values()),
      invalid: sum(files.map((file) => (file.rows ?? file.labels.length) - file.labels.length)),
      changedHours,
      trainingRows: sum([...found.values()].map(({ rows }) => rows)),
    };
    if (files.length > 0) {
      const level = result.invalid > 0 ? 'warn' : 'info';
      log(level, 'labels joined', { model, ...result, ...(notTrainedOn && { notTrainedOn }) });
    }
    return result;
  });
}
