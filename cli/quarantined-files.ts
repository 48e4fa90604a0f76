import { invalidFilesOf, quarantineKey } from '../core/datasets/quarantine.ts';
import {
  type FileReport,
  type Finding,
  ValidationReport,
} from '../core/datasets/validation-report.ts';
import { parseDocument } from '../core/parse-document.ts';
import type { Deployment } from './deployment.ts';
import type { EnteredState } from './execution-history.ts';

/** A file that went to quarantine, with what is wrong in it. */
export interface QuarantinedFile extends FileReport {
  readonly quarantineKey: string;
}

/**
 * Keys of the validation reports whose invalid files were put into quarantine, each once, in their
 * order: every state after the quarantine has the last one in its input.
 */
export function quarantineReports(states: readonly EnteredState[]): string[] {
  const keys = states.flatMap(({ input }) => {
    const { quarantine } = JSON.parse(input) as { quarantine?: { reportKey?: unknown } };
    return typeof quarantine?.reportKey === 'string' ? [quarantine.reportKey] : [];
  });
  return [...new Set(keys)];
}

/** The files that are in quarantine because of these reports. */
export async function readQuarantined(
  { data }: Pick<Deployment, 'data'>,
  reportKeys: readonly string[],
): Promise<QuarantinedFile[]> {
  const reports = await Promise.all(
    reportKeys.map(async (key) => parseDocument(ValidationReport, await data.getJson(key), key)),
  );
  return reports.flatMap((report) =>
    invalidFilesOf(report).map((file) => ({
      ...file,
      quarantineKey: quarantineKey(report.model, file),
    })),
  );
}

const shownFindings = 10;

/** A line of what is wrong in a file. */
export function describeFinding({
  column,
  count,
  examples: [first],
  message,
  rule,
}: Finding): string {
  const where = first ? `row ${first.row}, value ${JSON.stringify(first.value)}` : 'the file';
  const more = count > 1 ? ` and ${count - 1} more` : '';
  return `    ${where}${more}: ${column === undefined ? '' : `column ${column}, `}rule ${rule}: ${message}`;
}

const describeFile = (file: QuarantinedFile): string[] => [
  `  ${file.key} → ${file.quarantineKey}`,
  ...file.findings.slice(0, shownFindings).map(describeFinding),
  ...(file.findings.length > shownFindings
    ? [`    and ${file.findings.length - shownFindings} more findings`]
    : []),
];

/** What went to quarantine and why; nothing where nothing did. */
export const describeQuarantined = (files: readonly QuarantinedFile[]): string[] =>
  files.length === 0
    ? []
    : [
        `  ${files.length === 1 ? '1 file was invalid and is' : `${files.length} files were invalid and are`} in quarantine; correct and drop again:`,
        ...files.flatMap(describeFile),
      ];
