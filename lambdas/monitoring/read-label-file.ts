import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findBrokenCells, unbrokenRows } from '../../adapters/duckdb-cell-rules.ts';
import type { DuckdbDatabase } from '../../adapters/duckdb-database.ts';
import { loadTypedTable, type TypedTable } from '../../adapters/duckdb-typed-tables.ts';
import type { S3Objects, StoredVersion } from '../../adapters/s3-objects.ts';
import { sha256 } from '../../core/canonical-json.ts';
import { maximumExamples } from '../../core/datasets/validation-report.ts';
import { LabelRecord } from '../../core/inference/log/prediction-record.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import type { LabelProblem } from '../../core/monitoring/label-report.ts';
import {
  type LabelFileForm,
  labelFileForm,
  labelRowReader,
  type ReceivedLabel,
} from '../../core/monitoring/label-rows.ts';

/** What a file under labels holds. */
export interface LabelFile {
  readonly key: string;
  readonly sha256: string;
  readonly receivedAt: string;
  /** null where the file cannot be read. */
  readonly rows: number | null;
  readonly labels: readonly (ReceivedLabel & { readonly receivedAt: string })[];
  readonly problems: readonly LabelProblem[];
}

/** Gathers what is wrong with rows: a message once, with its first examples. */
function problemList() {
  const problems = new Map<string, { count: number; examples: LabelProblem['examples'] }>();
  return {
    add(message: string, row: number): void {
      const known = problems.get(message) ?? { count: 0, examples: [] };
      known.count += 1;
      if (known.examples.length < maximumExamples) known.examples.push({ row, value: null });
      problems.set(message, known);
    },
    list: (): LabelProblem[] => [...problems].map(([message, rest]) => ({ message, ...rest })),
  };
}

/** Lines that the feedback API wrote, after it had checked them. */
export async function readFeedback(data: S3Objects, stored: StoredVersion): Promise<LabelFile> {
  const content = await data.get(stored.key, stored.versionId);
  const problems = problemList();
  const lines = content.toString('utf8').split('\n').filter(Boolean);
  const labels = lines.flatMap((line, i) => {
    const record = LabelRecord.safeParse(jsonOf(line)).data;
    if (!record) {
      problems.add('the line is no label; send it again through the feedback API', i + 1);
      return [];
    }
    const { predictionId = null, entityKey = null, label, receivedAt } = record;
    return [{ predictionId, entityKey, eventTime: null, label, receivedAt }];
  });
  return {
    key: stored.key,
    sha256: sha256(content),
    receivedAt: stored.modifiedAt.toISOString(),
    rows: lines.length,
    labels,
    problems: problems.list(),
  };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** What keeps the whole file from being read: no label, nothing it is about, or a column twice. */
function fileProblems({ findings }: TypedTable, form: LabelFileForm): LabelProblem[] {
  const of = (rule: string) =>
    findings.filter((one) => one.rule === rule && (one.column ?? '') in form.columns);
  const missing = new Set(of('column_missing').map(({ column }) => column));
  const lacking = [form.labelColumns, form.subjectColumns]
    .filter((names) => names.every((name) => missing.has(name)))
    .map((names) => `the file has no column ${names.join(' or ')}; add it and upload it again`);
  const twice = of('column_repeated').map(({ message }) => message);
  return [...lacking, ...twice].map((message) => ({ message, count: 1, examples: [] }));
}

/** S3 tells when an object was written to the second; the label may have come at any time of it. */
const endOfSecond = (at: Date): string =>
  new Date(Math.floor(at.getTime() / 1_000) * 1_000 + 999).toISOString();

async function labelsOf(
  database: DuckdbDatabase,
  definition: ModelDefinition,
  table: TypedTable,
  receivedAt: string,
): Promise<Pick<LabelFile, 'labels' | 'problems'>> {
  const form = labelFileForm(definition);
  const whole = fileProblems(table, form);
  if (whole.length > 0) return { labels: [], problems: whole };
  const read = labelRowReader(definition);
  const problems = problemList();
  const labels: LabelFile['labels'][number][] = [];
  for await (const chunk of unbrokenRows(database, table, form.rules, form.columns)) {
    for (let row = 0; row < chunk.rows; row += 1) {
      const found = read(chunk.columns, row);
      if ('problem' in found) problems.add(found.problem, chunk.numbers[row] ?? 1);
      else labels.push({ ...found, receivedAt });
    }
  }
  const broken = await findBrokenCells(database, table, form.rules, form.columns);
  const findings = [...table.findings.filter(({ rule }) => rule === 'row_form'), ...broken];
  const told = findings.map(({ message, count, examples }) => ({ message, count, examples }));
  return { labels, problems: [...told, ...problems.list()] };
}

/** Reads a person's file of labels: CSV, JSON Lines or Parquet. What is wrong with it is told, not thrown. */
export async function readLabelFile(
  data: S3Objects,
  database: DuckdbDatabase,
  definition: ModelDefinition,
  stored: StoredVersion,
): Promise<LabelFile> {
  const path = join(database.folder, 'labels');
  const { sha256: hash } = await data.download(stored.key, stored.versionId, path);
  const { columns } = labelFileForm(definition);
  const table = await loadTypedTable(database, { path, name: stored.key }, columns, 'label_file');
  const receivedAt = endOfSecond(stored.modifiedAt);
  const file = { key: stored.key, sha256: hash, receivedAt };
  try {
    if ('unreadable' in table) {
      const { message, count, examples } = table.unreadable;
      return { ...file, rows: null, labels: [], problems: [{ message, count, examples }] };
    }
    const found = await labelsOf(database, definition, table, receivedAt);
    await database.run(`DROP TABLE ${table.name}`);
    return { ...file, rows: table.rows, ...found };
  } finally {
    await Promise.all([rm(path, { force: true }), rm(`${path}.txt`, { force: true })]);
  }
}
