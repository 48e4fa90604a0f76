import * as z from 'zod';
import { editDistance } from './nearest-names.ts';

interface Bounds {
  readonly above?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

function described(kind: string, { above, minimum, maximum }: Bounds): string {
  const lower = above === undefined ? `of at least ${minimum}` : `above ${above}`;
  return `set it to ${kind} ${lower}${maximum === undefined ? '' : ` and at most ${maximum}`}`;
}

function bounded(type: z.ZodNumber, kind: string, bounds: Bounds) {
  const error = described(kind, bounds);
  const { above, minimum, maximum } = bounds;
  let schema = type;
  if (above !== undefined) schema = schema.gt(above, { error });
  if (minimum !== undefined) schema = schema.gte(minimum, { error });
  if (maximum !== undefined) schema = schema.lte(maximum, { error });
  return schema.exactOptional();
}

const number = (bounds: Bounds) =>
  bounded(z.number({ error: described('a number', bounds) }), 'a number', bounds);
const integer = (bounds: Bounds) =>
  bounded(z.int({ error: described('an integer', bounds) }), 'an integer', bounds);
const share = () => number({ above: 0, maximum: 1 });

/** Hyperparameter that the platform sets → where a model says it instead. */
const saidElsewhere: Readonly<Record<string, string>> = {
  trainer: 'training.trainer',
  task: 'evaluation.task',
  objective: 'evaluation.task',
  seed: 'training.seed',
  checkpoint_interval_seconds: 'training.checkpointIntervalSeconds',
};

const parameters = {
  num_round: integer({ minimum: 1, maximum: 100_000 }),
  early_stopping_rounds: integer({ minimum: 1 }),
  eta: share(),
  learning_rate: share(),
  gamma: number({ minimum: 0 }),
  min_split_loss: number({ minimum: 0 }),
  max_depth: integer({ minimum: 0, maximum: 30 }),
  max_leaves: integer({ minimum: 0, maximum: 65_536 }),
  grow_policy: z
    .enum(['depthwise', 'lossguide'], { error: "set it to 'depthwise' or 'lossguide'" })
    .exactOptional(),
  min_child_weight: number({ minimum: 0 }),
  max_delta_step: number({ minimum: 0 }),
  subsample: share(),
  colsample_bytree: share(),
  colsample_bylevel: share(),
  colsample_bynode: share(),
  lambda: number({ minimum: 0 }),
  reg_lambda: number({ minimum: 0 }),
  alpha: number({ minimum: 0 }),
  reg_alpha: number({ minimum: 0 }),
  max_bin: integer({ minimum: 2, maximum: 65_535 }),
  scale_pos_weight: number({ above: 0 }),
  nthread: integer({ minimum: 1, maximum: 256 }),
  device: z
    .enum(['cpu', 'cuda'], {
      error: 'remove it: training.instanceType says whether there is a GPU',
    })
    .exactOptional(),
  checkpoint_interval_rounds: integer({ minimum: 1 }),
  parity_rows: integer({ minimum: 1, maximum: 100_000 }),
} satisfies Record<string, z.ZodType>;

/** Names of what a model may set for the XGBoost trainer. */
export const xgboostHyperparameterNames: readonly string[] = Object.keys(parameters);

const aliases = [
  ['eta', 'learning_rate'],
  ['gamma', 'min_split_loss'],
  ['lambda', 'reg_lambda'],
  ['alpha', 'reg_alpha'],
] as const;

function adviceOn(name: string): string {
  if (Object.hasOwn(saidElsewhere, name)) {
    return `the platform sets it; remove it here and use ${saidElsewhere[name]}`;
  }
  const [nearest] = xgboostHyperparameterNames
    .map((known) => ({ known, edits: editDistance(name, known) }))
    .filter(({ known, edits }) => edits <= Math.max(2, known.length / 3))
    .sort((a, b) => a.edits - b.edits);
  const known = `there are ${xgboostHyperparameterNames.join(', ')}`;
  return nearest
    ? `the XGBoost trainer has no such hyperparameter; did you mean ${nearest.known}?`
    : `the XGBoost trainer has no such hyperparameter; remove it: ${known}`;
}

const Known = z.object(parameters);

/** What a model may set for the XGBoost trainer, by XGBoost's names; the trainer checks the same. */
export const XgboostHyperparameters = Known.catchall(
  // Unlike strictObject's, its message is told at the name.
  z.custom(() => false, { error: ({ path }) => adviceOn(String(path?.at(-1))) }),
).superRefine((values, context) => {
  for (const [name, alias] of aliases) {
    if (values[name] !== undefined && values[alias] !== undefined) {
      const message = `this is ${name} by another name; remove one of them`;
      context.addIssue({ code: 'custom', path: [alias], message });
    }
  }
  // Any other name fails, which a catchall's type does not say.
}) as z.ZodType<z.output<typeof Known>, z.input<typeof Known>>;
