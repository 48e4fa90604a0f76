import { basename } from 'node:path';
import * as z from 'zod';
import { knownDocument } from '../../adapters/s3-known-document.ts';
import { hashFile } from '../../adapters/s3-objects.ts';
import type { RawColumns } from '../../core/features/raw-values.ts';
import {
  type Comparison,
  comparePredictions,
} from '../../core/inference/parity/compare-predictions.ts';
import {
  type Explanation,
  explainDifferences,
} from '../../core/inference/parity/explain-differences.ts';
import type { ParityCheck } from '../../core/inference/parity/parity-check.ts';
import { ModelKind, modelKind } from '../../core/inference/parity/parity-tolerance.ts';
import { systematicDifference } from '../../core/inference/parity/systematic-difference.ts';
import { Signature } from '../../core/inference/signature.ts';
import { type MetricName, metricsOfTask } from '../../core/model/evaluation-section.ts';
import { parseDocument } from '../../core/parse-document.ts';
import type { ModelVersion } from '../../core/registry/records.ts';
import { VersionMetrics } from '../../core/registry/version-metrics.ts';
import { openApi } from '../api-client.ts';
import { CommandError, usageError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';
import { findVersion } from '../operator.ts';
import { person } from '../runs.ts';
import type { Terminal } from '../terminal.ts';
import { type Answers, answersOf, askArtifacts, askEndpoint } from './ask-version.ts';
import type { NotebookFiles } from './notebook-files.ts';
import { type NotebookRows, readNotebookRows } from './notebook-rows.ts';

export interface ParityRequest extends NotebookFiles {
  /** By default the live one. */
  readonly version?: number | undefined;
  readonly threshold: number;
  readonly kind?: ModelKind | undefined;
}

/** A row that the version does not take although the notebook predicted it. */
export interface RefusedRow {
  readonly key: string;
  readonly problem: string;
}

export interface FoundParity {
  readonly check: ParityCheck;
  readonly comparison: Comparison;
  readonly notebook: NotebookRows;
  readonly refused: readonly RefusedRow[];
  /** What the rows that differ have in common, or what is wrong with all of them. */
  readonly explanation: string | undefined;
  /** Why the file says nothing about the version, so that the check is not recorded. */
  readonly wrongInput: string | undefined;
  readonly metricName: MetricName;
}

async function versionOf(
  { ledger, registry }: Pick<Deployment, 'ledger' | 'registry'>,
  model: string,
  asked: number | undefined,
): Promise<{ readonly record: ModelVersion; readonly isLive: boolean }> {
  const { live, retired } = await ledger.head(model);
  const version = asked ?? live;
  if (version === undefined) {
    throw new CommandError(
      `no version of ${model} is live; name one with --version (\`slipway models\` lists them)`,
    );
  }
  const record = await findVersion(registry, model, version);
  return { record, isLive: version === live && !retired };
}

interface Documents {
  readonly signature: Signature;
  /** Nothing is known of a version that the platform has not evaluated. */
  readonly metrics: VersionMetrics | undefined;
  readonly trainerMetrics: Readonly<Record<string, unknown>>;
}

async function documentsOf(
  { artifacts }: Pick<Deployment, 'artifacts'>,
  { artifactsPrefix }: ModelVersion,
): Promise<Documents> {
  const key = `${artifactsPrefix}signature.json`;
  const signature = parseDocument(Signature, await artifacts.getJson(key), key);
  const AnyDocument = z.record(z.string(), z.unknown());
  const written = await knownDocument(artifacts, `${artifactsPrefix}metrics.json`, AnyDocument);
  const metrics = VersionMetrics.safeParse(written).data;
  return { signature, metrics, trainerMetrics: metrics?.training ?? written ?? {} };
}

function kindOf(documents: Documents, { lineage, version }: ModelVersion, given?: ModelKind) {
  const { hyperparameters } = lineage;
  const values = 'values' in hyperparameters ? hyperparameters.values : {};
  const kind = given ?? modelKind(documents.trainerMetrics, values);
  if (kind !== undefined) return kind;
  throw usageError(
    `nobody wrote down what version ${version} is, and the tolerance depends on it; say --kind with one of ${ModelKind.options.join(', ')}`,
  );
}

/** Only what was answered is compared: a refused row has no number. */
function compare(
  notebook: NotebookRows,
  { actual, refused }: Answers,
  judgement: Parameters<typeof comparePredictions>[1],
) {
  const places = notebook.keys.flatMap((_, place) => (refused.has(place) ? [] : [place]));
  const pairs = places.map((place) => {
    const label = notebook.labels[place] ?? undefined;
    return {
      key: notebook.keys[place] ?? '',
      expected: notebook.expected[place] ?? Number.NaN,
      actual: actual[place] ?? Number.NaN,
      ...(label === undefined ? {} : { label }),
    };
  });
  return { places, pairs, comparison: comparePredictions(pairs, judgement) };
}

/** The inputs of some rows. */
const inputsAt = (inputs: RawColumns, places: readonly number[]): RawColumns =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => [
      name,
      places.map((place) => values[place] ?? null),
    ]),
  );

/** A model that was fitted anew predicts otherwise everywhere, and nothing is wrong with its serving. */
const otherFit =
  'most rows differ, and no column parts them from the others: the notebook may have another fit, of other rows or another seed; compare the same one (`slipway import` brings the one of the notebook, `slipway download` gives the one that is live)';

interface Explained {
  readonly text: string | undefined;
  readonly isOfInput: boolean;
}

function explain(
  notebook: NotebookRows,
  signature: Signature,
  { comparison, pairs, places }: ReturnType<typeof compare>,
  kind: ModelKind,
): Explained {
  if (comparison.verdict === 'equal') return { text: undefined, isOfInput: false };
  const systematic = systematicDifference(pairs, kind);
  if (systematic?.isOfInput) return systematic;
  const found: Explanation | undefined = explainDifferences(
    signature.inputs,
    inputsAt(notebook.inputs, places),
    pairs.length,
    comparison.differing,
  );
  const text =
    found?.text ??
    systematic?.text ??
    (2 * comparison.differing.length > pairs.length ? otherFit : undefined);
  return { text, isOfInput: false };
}

const leftOutRows = ({ join, rowsWithoutPrediction }: NotebookRows): number => {
  const predictions = join?.predictions;
  return (
    rowsWithoutPrediction +
    (predictions
      ? predictions.rowsWithoutKey + predictions.repeated.length + predictions.unmatched.length
      : 0)
  );
};

const refusedReason = (refused: readonly RefusedRow[]): string[] =>
  refused.length === 0
    ? []
    : [`${refused.length} row(s) that the notebook predicted are refused by the version`];

/** Why a file says nothing about a version: it is of other rows than those that the version is for. */
export function wrongInputOf(
  { compared, leftOut, refused }: ParityCheck['rows'],
  explained: Explained,
): string | undefined {
  const asked = compared + refused;
  if (leftOut > asked) {
    return `only ${asked} of ${asked + leftOut} rows of the predictions could be compared; see what was left out`;
  }
  if (refused > compared) {
    return `the version refuses ${refused} of ${asked} rows: they are of another kind than it was trained on`;
  }
  return explained.isOfInput ? explained.text : undefined;
}

/** Asks a version about the notebook's rows and compares, row by row. @throws CommandError */
export async function compareWithNotebook(
  deployment: Deployment,
  model: string,
  request: ParityRequest,
  terminal: Pick<Terminal, 'note'>,
): Promise<FoundParity> {
  const { isLive, record } = await versionOf(deployment, model, request.version);
  const documents = await documentsOf(deployment, record);
  const { metrics, signature } = documents;
  const kind = kindOf(documents, record, request.kind);
  const notebook = await readNotebookRows(request, signature);
  if (notebook.keys.length === 0) throw nothingToCompare(notebook, request);
  const { version } = record;
  const ask = isLive
    ? askEndpoint(await openApi(deployment), model)
    : await askArtifacts(deployment, model, version);
  const answers = await answersOf(ask, version, notebook, signature.inputs, terminal);
  const { task } = signature;
  const metricName = metrics?.primary ?? metricsOfTask[task][0];
  const { threshold } = request;
  const compared = compare(notebook, answers, { kind, task, threshold, metric: metricName });
  const { comparison } = compared;
  const refused = [...answers.refused].map(([place, problem]) => ({
    key: notebook.keys[place] ?? '',
    problem,
  }));
  const reasons = [...comparison.reasons, ...refusedReason(refused)];
  const rows = {
    compared: comparison.rows,
    different: comparison.differing.length,
    refused: refused.length,
    leftOut: leftOutRows(notebook),
  };
  const explained = explain(notebook, signature, compared, kind);
  return {
    ...{ comparison, metricName, notebook, refused },
    explanation: explained.text,
    wrongInput: wrongInputOf(rows, explained),
    check: {
      ...{ model, version, kind, reasons },
      checkedAt: new Date().toISOString(),
      by: person(),
      answeredBy: isLive ? 'endpoint' : 'artifacts',
      predictions: {
        name: basename(request.predictions),
        sha256: (await hashFile(request.predictions)).sha256,
      },
      ...(task === 'binary_classification' && { threshold }),
      rows,
      maximumDifference: comparison.maximumDifference,
      maximumRelativeDifference: comparison.maximumRelativeDifference,
      flips: comparison.flips,
      verdict: reasons.length === 0 ? 'equal' : 'different',
    },
  };
}

function nothingToCompare(notebook: NotebookRows, request: ParityRequest): CommandError {
  const { join, key, rowsWithoutPrediction } = notebook;
  if (!join || rowsWithoutPrediction > 0) {
    return usageError(`no row of ${request.predictions} has a number under '${notebook.column}'`);
  }
  const example = (keys: readonly string[]) => (keys[0] === undefined ? 'none' : `'${keys[0]}'`);
  return usageError(
    `no row can be compared: no ${key} names one row of both files (in the predictions ${example(join.predictions.unmatched)}, in the data ${example(join.data.unmatched)}; ${join.predictions.repeated.length + join.data.repeated.length} occur more than once)`,
  );
}
