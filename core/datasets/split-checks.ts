import type { ModelDefinition } from '../model/define-model.ts';
import type { Finding } from './validation-report.ts';

/** Rows of one file by side and by label; a label's key is its text, and '' for every number to predict. */
export interface SideCounts {
  readonly train: ReadonlyMap<string, number>;
  readonly holdout: ReadonlyMap<string, number>;
}
type Side = keyof SideCounts;

const total = (counts: Iterable<number>): number => {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
};

function describeHoldout({ evaluation: { holdout } }: ModelDefinition): string {
  if (holdout.by === 'time') return `the last ${holdout.days} days are held out`;
  if (holdout.by === 'group') {
    return `a share of ${holdout.fraction} of the values of ${holdout.column} is held out`;
  }
  return `rows with ${holdout.column} = ${JSON.stringify(holdout.value)} are held out`;
}

function finding(definition: ModelDefinition, side: Side, labels: readonly string[]) {
  const use = side === 'train' ? 'to train on' : 'to evaluate on';
  const why = describeHoldout(definition);
  if (labels.length === 0) {
    return {
      rule: 'holdout',
      message: `${why} and no row is left ${use}; drop all files again with rows for both sides, or change evaluation.holdout in model.ts`,
    } as const;
  }
  return {
    rule: 'label_classes',
    column: definition.data.label,
    message: `every row ${use} has the label ${labels[0]} (${why}); drop the files again together with rows of the other label`,
  } as const;
}

/** Whether a side is unfit: it has no rows, or one class where two are needed. */
function isUnfit({ evaluation }: ModelDefinition, side: Side, labels: readonly string[]): boolean {
  if (labels.length === 0) return true;
  const needsBoth = side === 'train' || evaluation.metric === 'auc';
  return evaluation.task === 'binary_classification' && needsBoth && labels.length === 1;
}

/**
 * What only all rows together can tell: that there is something to train and to evaluate on. A finding
 * goes to the files whose rows are on the unfit side, or to all of them where that side is empty.
 */
export function checkSides(
  definition: ModelDefinition,
  files: readonly SideCounts[],
): (Finding | undefined)[] {
  for (const side of ['train', 'holdout'] as const) {
    const labels = [...new Set(files.flatMap((file) => [...file[side].keys()]))];
    if (!isUnfit(definition, side, labels)) continue;
    const what = finding(definition, side, labels);
    return files.map((file) => {
      const rows = total(file[side].values());
      if (labels.length > 0 && rows === 0) return undefined;
      return { ...what, count: Math.max(rows, 1), examples: [] };
    });
  }
  return files.map(() => undefined);
}
