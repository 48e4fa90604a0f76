import {
  defineModel,
  type ModelDefinition,
  type ModelDefinitionInput,
} from '../../core/model/define-model.ts';

/** A small valid definition; a test changes what it is about. */
export const aModelDefinition = (
  changes: Partial<ModelDefinitionInput> = {},
): ModelDefinitionInput => ({
  name: 'churn',
  data: {
    columns: {
      customer: { type: 'string' },
      seen_at: { type: 'timestamp' },
      plan: { type: 'string' },
      age: { type: 'number', minimum: 0, maximum: 120, nullable: true },
      left: { type: 'integer', allowed: [0, 1] },
    },
    label: 'left',
    entityKey: 'customer',
    eventTime: 'seen_at',
  },
  features: {
    declared: {
      plan: { transform: 'categorical', column: 'plan' },
      age: { transform: 'numeric', column: 'age' },
    },
  },
  training: { trainer: 'xgboost', hyperparameters: { num_round: 10 } },
  evaluation: {
    task: 'binary_classification',
    metric: 'auc',
    holdout: { by: 'time', days: 7 },
    mustBeatBaselineBy: 0.01,
  },
  serving: { target: 'lambda' },
  delivery: { approval: 'automatic' },
  ...changes,
});

/** The same, of a model that takes its raw columns as they are. */
export const aColumnsDefinition = (
  inModel: string[],
  changes: Partial<ModelDefinitionInput> = {},
): ModelDefinition =>
  defineModel({
    ...aModelDefinition(changes),
    features: { inModel },
    training: { trainer: 'python' },
  });
