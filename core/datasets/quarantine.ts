import { landingPrefix } from './landing.ts';
import type { FileReport, Finding, ValidationReport } from './validation-report.ts';

const baseName = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

/** Named by its content, so that another file of the same name does not take its place. */
export const quarantineKey = (model: string, file: FileReport): string =>
  `quarantine/${model}/${file.sha256.slice(0, 12)}-${baseName(file.key)}`;

export const invalidFilesOf = (report: ValidationReport): FileReport[] =>
  report.files.filter(({ findings }) => findings.length > 0);

const shownFiles = 10;
const shownFindings = 5;

function findingLine({ rule, column, count, message, examples }: Finding): string {
  const at = examples[0];
  const where = at ? `, first in row ${at.row}` : '';
  const value = at && at.value !== null ? ` (value ${JSON.stringify(at.value)})` : '';
  const rows = at ? `${count} row${count === 1 ? '' : 's'}${where}${value}: ` : '';
  return `    ${column ? `${column}, ` : ''}rule ${rule}: ${rows}${message}`;
}

function fileLines(model: string, file: FileReport): string[] {
  const more = file.findings.length - shownFindings;
  return [
    `  ${file.key.slice(landingPrefix(model).length)} -> ${quarantineKey(model, file)}`,
    ...file.findings.slice(0, shownFindings).map(findingLine),
    ...(more > 0 ? [`    and ${more} more`] : []),
  ];
}

/** What a person needs who is to mend it: what is wrong, where it is now, what to do next. */
export function quarantineMessage(
  report: ValidationReport,
  at: { readonly bucket: string; readonly reportKey: string; readonly runId: string },
): { readonly subject: string; readonly text: string } {
  const { model } = report;
  const files = invalidFilesOf(report);
  const what = `${files.length} file${files.length === 1 ? '' : 's'}`;
  const more = files.length - shownFiles;
  const text = [
    `${what} of ${model} did not pass validation and went to quarantine. Nothing else has changed:`,
    'the live version goes on answering, and valid files are processed.',
    '',
    ...files.slice(0, shownFiles).flatMap((file) => fileLines(model, file)),
    ...(more > 0 ? [`  and ${more} more files`] : []),
    '',
    `Report: s3://${at.bucket}/${at.reportKey}`,
    `Bucket: ${at.bucket} · run: ${at.runId}`,
    '',
    `What next: correct the files and drop them again under s3://${at.bucket}/${landingPrefix(model)},`,
    'or, if the data is right and the rule is not, change the rule in model.ts, deploy, and drop the',
    'files from quarantine again.',
  ].join('\n');
  return { subject: `${model}: ${what} in quarantine`, text };
}
