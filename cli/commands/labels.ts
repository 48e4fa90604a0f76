import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { ObjectNotFoundError } from '../../adapters/object-errors.ts';
import { hashFile, type S3Objects } from '../../adapters/s3-objects.ts';
import { LabelReport, labelFileKey, labelReportKey } from '../../core/monitoring/label-report.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, exitCodes } from '../command-error.ts';
import { checkFiles, type Dropped, uploadFiles } from '../drop-files.ts';
import { withProgress } from '../terminal.ts';

interface Options extends Common {
  readonly wait: boolean;
}

const lookEveryMs = 1_000;
/** The prediction log is gathered for up to five minutes, and a join takes its time. */
const patienceMs = 15 * 60_000;

async function reportOf(data: S3Objects, model: string, file: Dropped): Promise<LabelReport> {
  const key = labelReportKey(model, file.sha256);
  for (const startedAt = performance.now(); performance.now() - startedAt < patienceMs; ) {
    try {
      return parseDocument(LabelReport, await data.getJson(key), key);
    } catch (error) {
      if (!(error instanceof ObjectNotFoundError)) throw error;
    }
    await sleep(lookEveryMs);
  }
  throw new CommandError(
    `${file.key} is not joined after ${patienceMs / 60_000} minutes; \`slipway logs ${model}\` and the dead-letter queue say why`,
  );
}

/** A report as lines for people. */
export function describeLabels(report: LabelReport): string[] {
  const { key, rows, matched, unmatched, invalid, problems, notTrainedOn } = report;
  const what =
    rows === null
      ? 'could not be read'
      : `${rows} rows: ${matched} matched, ${unmatched} unmatched, ${invalid} invalid`;
  return [
    `${key}: ${what}`,
    ...problems.map(({ message, count, examples: [first] }) =>
      first
        ? `  ${count} row${count === 1 ? '' : 's'}, first in row ${first.row}: ${message}`
        : `  ${message}`,
    ),
    ...(unmatched > 0
      ? ['  unmatched labels are kept, and joined when their predictions have come to the log']
      : []),
    ...(notTrainedOn === null ? [] : [`  they are not trained on: ${notTrainedOn}`]),
  ];
}

export const labelsCommand = (): Command =>
  deployedCommand({
    usage: 'labels <model> <files...>',
    description: 'upload files that say what predictions turned out to be',
    examples: [
      'slipway labels flight-delay arrived.csv --wait',
      'slipway labels flight-delay march.parquet --env prod --json',
    ],
  })
    .addHelpText(
      'after',
      '\nColumns: prediction_id, or the entity key (with or without the event time); and the label,\nunder the name of its column or as label.\nWith --wait it ends with 1 where a row is invalid or a file cannot be read; the other rows are joined.',
    )
    .option('--wait', 'until they are joined: how many rows matched', false)
    .action((model: string, files: string[], options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        deployment.model(model);
        checkFiles(files);
        const { data } = deployment;
        const uploaded = await uploadFiles(data, model, files, terminal, async (file) =>
          labelFileKey(model, basename(file), (await hashFile(file)).sha256),
        );
        if (!options.wait) {
          terminal.result({ uploaded }, [
            `Uploaded ${uploaded.length} file(s) of labels; they are joined within minutes.`,
          ]);
          return exitCodes.done;
        }
        const reports: LabelReport[] = [];
        for (const file of uploaded) {
          reports.push(
            await withProgress(terminal, `joining ${file.key}`, () => reportOf(data, model, file)),
          );
        }
        terminal.result({ reports }, reports.flatMap(describeLabels));
        return reports.some(({ rows, invalid }) => rows === null || invalid > 0)
          ? exitCodes.failed
          : exitCodes.done;
      }),
    );
