import { landingPrefix } from '../datasets/landing.ts';
import { valueCheck } from '../inference/check-value.ts';
import type { LabelRecord, PredictionRecord } from '../inference/log/prediction-record.ts';
import type { ModelDefinition } from '../model/define-model.ts';
import { readColumns } from '../model/features-section.ts';
import { labelColumn } from './label-column.ts';
import type { LogHour } from './log-window.ts';

const folder = 'labelled/';

/** An hour's labelled predictions as rows to train on. */
export const labelledDropKey = (model: string, hour: LogHour): string =>
  `${landingPrefix(model)}${folder}${hour}.jsonl`;

/** The platform wrote it: it is whole however few its rows are. */
export const isLabelledDrop = (model: string, key: string): boolean =>
  key.startsWith(`${landingPrefix(model)}${folder}`);

/** Why labelled predictions cannot become training rows; undefined where they can. */
export function whyNotTrainedOn({ data, features }: ModelDefinition): string | undefined {
  if (data.mode === 'replace') {
    return "data.mode is 'replace': the newest file alone is trained on";
  }
  const read = new Set(readColumns(features));
  const hidden = Object.entries(data.columns).find(
    ([name, column]) =>
      name !== data.label && column.sensitive && (!column.nullable || read.has(name)),
  );
  return hidden && `the column ${hidden[0]} is sensitive: the prediction log leaves it out`;
}

type Row = Record<string, PredictionRecord['inputs'][string]>;

/**
 * Makes what turns a labelled prediction into a row as it could have been dropped; undefined where the
 * prediction lacks a column, or has a value that the columns' rules of today refuse.
 */
export function trainingRowOf(
  definition: ModelDefinition,
): (inputs: PredictionRecord['inputs'], label: LabelRecord['label']) => Row | undefined {
  const { columns, label: labelName } = definition.data;
  const checks = Object.entries(columns)
    .filter(([name]) => name !== labelName)
    .map(([name, column]) => ({ name, check: valueCheck(column) }));
  const checkLabel = valueCheck(labelColumn(definition));
  return (inputs, label) => {
    const row: Row = {};
    for (const { name, check } of checks) {
      const value = inputs[name] ?? null;
      if (check(value) !== undefined) return undefined;
      row[name] = value;
    }
    if (checkLabel(label) !== undefined) return undefined;
    return { ...row, [labelName]: label };
  };
}
