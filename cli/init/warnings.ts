import { basename } from 'node:path';
import type { SummarisedFile } from '../../adapters/duckdb-column-summaries.ts';
import type { TableSummary } from '../../core/model/column-summary.ts';
import type { InferredData } from '../../core/model/infer-definition.ts';
import type { Lifted } from './lift-notebook.ts';

/** One column alone hardly ever tells so much honestly. */
const suspiciousAuc = 0.98;
const suspiciousCorrelation = 0.999;

export interface Warning {
  /** null where it is about the file. */
  readonly column: string | null;
  readonly message: string;
}

/** Columns that give the label away: what they say is likely known only after the fact. */
export async function leakWarnings(
  file: SummarisedFile,
  { columns, label: { task }, key, data: { label } }: InferredData,
): Promise<Warning[]> {
  const warnings: Warning[] = [];
  for (const { name } of columns) {
    if (name === label || name === key) continue;
    const found = await file.association(name, label, task);
    const binary = task === 'binary_classification';
    if (found === undefined || found < (binary ? suspiciousAuc : suspiciousCorrelation)) continue;
    const how = binary ? `an AUC of ${found.toFixed(4)}` : `a correlation of ${found.toFixed(4)}`;
    warnings.push({
      column: name,
      message: `'${name}' alone tells the label with ${how}; is it known when the prediction is asked for? If not, take it out of the features`,
    });
  }
  return warnings;
}

/** Cells that pandas takes for missing and this platform for text. */
export const wordWarnings = ({ columns }: TableSummary, used: ReadonlySet<string>): Warning[] =>
  columns
    .filter(
      ({ name, missingWords, isNumberButForWords }) =>
        missingWords > 0 && (isNumberButForWords || used.has(name)),
    )
    .map(({ name, missingWords, isNumberButForWords }) => ({
      column: name,
      message: `'${name}' says NA, None or the like in ${missingWords.toLocaleString('en-US')} rows: pandas reads that as missing, and here it is text; ${
        isNumberButForWords ? 'without it the column would be a number. L' : 'l'
      }eave such cells empty: df.to_csv(…) does`,
    }));

/** Where the notebook was written for other data than these. */
export function notebookWarnings(
  { readsFile, unknownColumns }: Pick<Lifted, 'readsFile' | 'unknownColumns'>,
  data: string,
): Warning[] {
  const named = basename(data);
  const other = readsFile !== null && readsFile !== named;
  return [
    ...(other
      ? [
          {
            column: null,
            message: `the notebook reads ${readsFile}; --data is ${named}. Is it the same table?`,
          },
        ]
      : []),
    ...unknownColumns.map(({ column, cell, line }) => ({
      column,
      message: `cell ${cell}, line ${line} reads '${column}', which ${named} does not have; train.py fails there`,
    })),
  ];
}
