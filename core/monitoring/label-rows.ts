import type { CellRule } from '../datasets/cell-rules.ts';
import { cellRules } from '../datasets/cell-rules.ts';
import type { RawColumns, RawValue } from '../features/raw-values.ts';
import { predictionOrigin } from '../inference/log/prediction-id.ts';
import type { LabelRecord } from '../inference/log/prediction-record.ts';
import type { Column } from '../model/column.ts';
import type { ModelDefinition } from '../model/define-model.ts';

/** A label that names its prediction, or what the prediction was about. */
export interface ReceivedLabel {
  readonly predictionId: string | null;
  readonly entityKey: RawValue;
  /** Microseconds, UTC: the prediction it is about was made for then or before; null where it is not said. */
  readonly eventTime: number | null;
  readonly label: LabelRecord['label'];
}

/** The columns that a file of labels can have; others are not read. */
export interface LabelFileForm {
  readonly columns: Readonly<Record<string, Column>>;
  readonly rules: readonly CellRule[];
  /** One of each pair has to be there. */
  readonly labelColumns: readonly string[];
  readonly subjectColumns: readonly string[];
}

const idColumn = 'prediction_id';
const optional = (type: Column['type']): Column => ({ type, nullable: true, sensitive: false });

/**
 * How a model's files of labels look: prediction_id, or the entity key with or without the event time; and
 * the label, under its column's name or as `label`.
 */
export function labelFileForm(definition: ModelDefinition): LabelFileForm {
  const { columns, entityKey, eventTime, label } = definition.data;
  const subjects = [idColumn, ...(entityKey === undefined ? [] : [entityKey])];
  const times = eventTime === undefined || entityKey === undefined ? [] : [eventTime];
  const labels = [...new Set([label, 'label'])].filter((name) => !subjects.includes(name));
  const own = (name: string): Column => columns[name] ?? optional('string');
  const rulesOf = (of: string, name: string): CellRule[] =>
    cellRules(definition)
      .filter(({ column, rule }) => column === of && rule !== 'not_null')
      .map((rule) => ({
        ...rule,
        column: name,
        message: rule.message.replace('drop the file again', 'upload the file of labels again'),
      }));
  return {
    columns: Object.fromEntries([
      [idColumn, optional('string')],
      ...[...subjects.slice(1), ...times].map((name) => [name, { ...own(name), nullable: true }]),
      ...labels.map((name) => [name, { ...own(label), nullable: true }]),
    ]),
    rules: [
      { rule: 'type', column: idColumn, message: 'prediction_id must be text' },
      ...[...subjects.slice(1), ...times].flatMap((name) => rulesOf(name, name)),
      ...labels.flatMap((name) => rulesOf(label, name)),
    ],
    labelColumns: labels,
    subjectColumns: subjects,
  };
}

type Problem = { readonly problem: string };
type Subject = Omit<ReceivedLabel, 'label'>;

/** Makes the reader of rows that break no rule: a label, or what keeps the row from being one. */
export function labelRowReader(
  definition: ModelDefinition,
): (columns: RawColumns, row: number) => ReceivedLabel | Problem {
  const { name: model, data } = definition;
  const { labelColumns, subjectColumns } = labelFileForm(definition);
  const value = (columns: RawColumns, name: string | undefined, row: number): RawValue =>
    (name === undefined ? null : columns[name]?.[row]) ?? null;

  const labelOf = (columns: RawColumns, row: number): Problem | Pick<ReceivedLabel, 'label'> => {
    const [label, other = label] = labelColumns
      .map((name) => value(columns, name, row))
      .filter((found) => found !== null);
    if (typeof label !== 'number' && typeof label !== 'boolean') {
      return { problem: `the row has no label; fill in ${labelColumns.join(' or ')}` };
    }
    if (other === label) return { label };
    return { problem: `the row has two labels, in ${labelColumns.join(' and ')}; keep one` };
  };

  const subjectOf = (columns: RawColumns, row: number): Problem | Subject => {
    const predictionId = value(columns, idColumn, row);
    if (typeof predictionId === 'string') {
      return predictionOrigin(predictionId)?.model === model
        ? { predictionId, entityKey: null, eventTime: null }
        : { problem: `prediction_id is not that of a prediction of ${model}` };
    }
    const entityKey = value(columns, data.entityKey, row);
    if (entityKey === null) {
      const names = subjectColumns.join(' or ');
      return { problem: `the row does not say what it is about; fill in ${names}` };
    }
    const time = value(columns, data.eventTime, row);
    return { predictionId: null, entityKey, eventTime: typeof time === 'number' ? time : null };
  };

  return (columns, row) => {
    const label = labelOf(columns, row);
    if ('problem' in label) return label;
    const subject = subjectOf(columns, row);
    return 'problem' in subject ? subject : { ...subject, ...label };
  };
}
