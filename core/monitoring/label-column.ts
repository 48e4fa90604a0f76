import type { Column } from '../model/column.ts';
import type { ModelDefinition } from '../model/define-model.ts';

type Sections = Pick<ModelDefinition, 'data' | 'evaluation'>;

/** What a label may be: the label column's type and rules; of two classes nothing but 0 and 1. */
export function labelColumn({ data, evaluation }: Sections): Column {
  const column = data.columns[data.label] ?? { type: 'number', nullable: false, sensitive: false };
  const isClass = evaluation.task === 'binary_classification' && column.type === 'integer';
  return {
    ...column,
    nullable: false,
    ...(isClass && !column.allowed && { allowed: [0, 1] }),
  };
}
