import { basename, join, relative } from 'node:path';
import type { SummarisedFile } from '../../adapters/duckdb-column-summaries.ts';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import type { TableSummary } from '../../core/model/column-summary.ts';
import { inferColumn } from '../../core/model/infer-columns.ts';
import { inferData } from '../../core/model/infer-definition.ts';
import { columnNamed, inferLabel } from '../../core/model/infer-label.ts';
import { type Terminal, withProgress } from '../terminal.ts';
import type { InitResult } from './describe-init.ts';
import { liftNotebook } from './lift-notebook.ts';
import { modelFile } from './model-file.ts';
import { type Files, newModelFolder, writeModelFolder, writeWorkflow } from './model-folder.ts';
import { notebookHoldout } from './notebook-holdout.ts';
import { notebookPlan, skeletonPlan } from './own-python.ts';
import { asUsageError, type DataOptions, readData } from './read-data.ts';
import { requestJson, sampleCsv, sampleRows } from './sample-files.ts';
import { stockPlan } from './stock-model.ts';
import { leakWarnings, notebookWarnings, wordWarnings } from './warnings.ts';

export interface InitOptions extends DataOptions {
  readonly notebook?: string;
  readonly python: boolean;
}

/** What the notebook says about data whose columns are known by now. */
async function lifted(options: InitOptions, summary: TableSummary) {
  if (options.notebook === undefined) return undefined;
  const types = summary.columns.map((column) => inferColumn(column, summary.rows));
  const label = columnNamed(
    '--label',
    options.label,
    types.map(({ name }) => name),
  );
  const summaryOfLabel = summary.columns.find(({ name }) => name === label);
  return liftNotebook(options.notebook, {
    columns: Object.fromEntries(types.map(({ name, type }) => [name, type])),
    instants: types.filter(({ type }) => type === 'timestamp').map(({ name }) => name),
    label,
    classifies:
      summaryOfLabel !== undefined &&
      inferLabel(summaryOfLabel, summary.rows).task === 'binary_classification',
    key: options.key,
    time: options.time,
  });
}

/** Everything that is said and guessed, and the way of training. */
async function decide(name: string, options: InitOptions, summary: TableSummary) {
  const notebook = await lifted(options, summary);
  const holdout = notebookHoldout(notebook?.holdout ?? null, summary, options.time);
  const inferred = inferData(summary, {
    name,
    label: options.label,
    key: options.key,
    time: options.time ?? holdout?.time,
    asText: new Set(notebook?.asText),
    holdout,
  });
  if (notebook) return { inferred, notebook, plan: notebookPlan(name, notebook, inferred) };
  const plan = options.python
    ? skeletonPlan(name, inferred, summary.rows)
    : stockPlan(inferred, summary);
  return { inferred, notebook, plan };
}

type Decided = Awaited<ReturnType<typeof decide>>;

/** The files of the model's folder. @throws CommandError where the platform would refuse its model.ts */
async function filesOf(
  { name, folder, options }: Asked,
  file: SummarisedFile,
  { inferred, plan }: Decided,
): Promise<Files> {
  const columns = inferred.columns.map((column) => column.name);
  const binary = inferred.label.task === 'binary_classification';
  // The key and the time come along where they are no features: feedback finds a row by its key.
  const { entityKey, eventTime } = inferred.data;
  const sent = new Set([
    ...plan.inputs,
    ...[entityKey, eventTime].filter((name) => name !== undefined),
  ]);
  const sample = await file.sample(columns, sampleRows, binary ? options.label : undefined);
  return {
    'model.ts': modelFile(name, folder, basename(options.data), {
      inferred,
      plan,
      rows: file.rows,
    }),
    'request.json': requestJson(inferred.columns, sent, sample),
    'tests/sample.csv': sampleCsv(inferred.columns, sample),
    ...plan.files,
  };
}

/** Where not all columns were wanted: a file that has no others. */
async function selectedFile(name: string, file: SummarisedFile): Promise<string | undefined> {
  if (file.names.length === file.columnsInFile) return undefined;
  const selected = `${name}-columns.csv`;
  await file.copyColumns(file.names, join(process.cwd(), selected));
  return selected;
}

interface Asked {
  readonly name: string;
  readonly folder: string;
  readonly options: InitOptions;
}

async function write(database: DuckdbDatabase, asked: Asked): Promise<InitResult> {
  const { name, folder, options } = asked;
  const file = await readData(database, options);
  const summary = await file.summaries(file.names);
  const decided = await decide(name, options, summary);
  const { inferred, plan, notebook } = decided;
  const warnings = [
    ...(notebook ? notebookWarnings(notebook, options.data) : []),
    ...(await leakWarnings(file, inferred)),
    ...wordWarnings(summary, new Set([...plan.inputs, options.label])),
  ];
  const files = await filesOf(asked, file, decided);
  // Nothing is written before everything is known to be good.
  writeModelFolder(folder, files);
  const selected = await selectedFile(name, file);
  const workflow = writeWorkflow(name, folder);
  return {
    model: name,
    folder: relative(process.cwd(), folder) || folder,
    data: selected ?? options.data,
    rows: file.rows,
    files: [...Object.keys(files), ...(workflow ? [workflow] : [])],
    task: inferred.label.task,
    metric: inferred.label.metric,
    holdout: inferred.evaluation.holdout,
    serving: plan.serving.target,
    guesses: [...inferred.guesses, ...plan.guesses],
    warnings,
    remarks: plan.remarks,
    leftOut: notebook?.leftOut ?? [],
  };
}

/**
 * Writes a new model's folder, whole or not at all.
 * @throws CommandError with what is wrong with the file, the data or the notebook, and the fix
 */
export async function initialise(
  name: string,
  options: InitOptions,
  terminal: Pick<Terminal, 'note'>,
): Promise<InitResult> {
  const folder = newModelFolder(name);
  return withProgress(terminal, `reading ${options.data}`, () =>
    withDuckdb((database) => write(database, { name, folder, options })),
  ).catch((error: unknown) => {
    throw asUsageError(error);
  });
}
