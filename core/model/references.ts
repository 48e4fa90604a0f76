import type * as z from 'zod';
import { pricedInstanceTypes, pricePerHourUsd, worstCaseUsd } from '../training/instance-prices.ts';
import type { Column, ColumnType } from './column.ts';
import type { DataSection } from './data-section.ts';
import { type EvaluationSection, type Holdout, metricsOfTask } from './evaluation-section.ts';
import type { DeclaredFeature, FeaturesSection } from './features-section.ts';
import type { RetrainingSection } from './retraining-section.ts';
import type { ServingSection } from './serving-section.ts';
import type { TrainingSection } from './training-section.ts';

interface Sections {
  data: DataSection;
  features: FeaturesSection;
  evaluation: EvaluationSection;
  training: TrainingSection;
  serving: ServingSection;
  retraining: RetrainingSection;
}
type Report = (path: PropertyKey[], message: string) => void;

const columnsOfTransform: Record<DeclaredFeature['transform'], readonly string[]> = {
  numeric: ['integer', 'number', 'boolean'],
  log1p: ['integer', 'number'],
  isMissing: ['string', 'integer', 'number', 'boolean', 'timestamp'],
  categorical: ['string', 'integer', 'boolean'],
  dayOfWeek: ['timestamp'],
  month: ['timestamp'],
  hourOfDay: ['timestamp'],
};

/** A column may be called as what every object has. */
const columnOf = ({ columns }: DataSection, name: string): Column | undefined =>
  Object.hasOwn(columns, name) ? columns[name] : undefined;

const listed = (names: Iterable<string>): string => [...names].join(', ');

function checkData({ data }: Sections, report: Report): void {
  const names = Object.keys(data.columns);
  for (const role of ['label', 'entityKey', 'eventTime'] as const) {
    const name = data[role];
    if (name !== undefined && !columnOf(data, name)) {
      report(['data', role], `is not among the declared columns; use one of ${listed(names)}`);
    }
  }
  const eventTime = data.eventTime === undefined ? undefined : columnOf(data, data.eventTime);
  if (eventTime && eventTime.type !== 'timestamp') {
    report(['data', 'eventTime'], `must be a timestamp column; this one is a ${eventTime.type}`);
  }
}

/** Features become columns of a table whose names differ by more than case. */
function checkFeatureNames({ features }: Sections, report: Report): void {
  const seen = new Map<string, string>();
  for (const name of Object.keys(features.declared ?? {})) {
    const path = ['features', 'declared', name];
    const twin = seen.get(name.toLowerCase());
    if (twin) report(path, `differs from ${twin} only by case; rename one of them`);
    if (name === '__label' || name === '__row') {
      report(path, 'this name is taken by the platform; rename the feature');
    }
    seen.set(name.toLowerCase(), name);
  }
}

function checkFeatures({ data, features }: Sections, report: Report): void {
  for (const [name, feature] of Object.entries(features.declared ?? {})) {
    const path = ['features', 'declared', name, 'column'];
    const column = columnOf(data, feature.column);
    if (feature.column === data.label) {
      report(path, 'the label cannot be a feature, because it is not known at prediction time');
    } else if (!column) {
      report(
        path,
        `is not among the declared columns; use one of ${listed(Object.keys(data.columns))}`,
      );
    } else if (!columnsOfTransform[feature.transform].includes(column.type)) {
      report(
        path,
        `${feature.transform} takes a column of type ${listed(columnsOfTransform[feature.transform])}; this one is a ${column.type}`,
      );
    }
    if (feature.maximumCategories !== undefined && feature.transform !== 'categorical') {
      report(
        ['features', 'declared', name, 'maximumCategories'],
        'only a categorical feature has it; remove it',
      );
    }
  }
}

/** Raw columns become columns of a table whose names differ by more than case, and inputs of a graph. */
function checkInModel({ data, features, training }: Sections, report: Report): void {
  const { inModel } = features;
  if (!inModel) return;
  const seen = new Map<string, string>();
  for (const [place, name] of inModel.entries()) {
    const path = ['features', 'inModel', place];
    const twin = seen.get(name.toLowerCase());
    if (twin === name) report(path, 'is named before; name each column once');
    else if (twin)
      report(path, `differs from ${twin} only by case; rename one of them in the data`);
    seen.set(name.toLowerCase(), name);
    if (name === data.label) {
      report(path, 'the label cannot be an input, because it is not known at prediction time');
    } else if (!columnOf(data, name)) {
      report(
        path,
        `is not among the declared columns; use one of ${listed(Object.keys(data.columns))}`,
      );
    }
  }
  if (training.trainer === 'xgboost') {
    const message =
      "the trainer 'xgboost' takes declared features; use features.declared, or train with your own Python, trainer: 'python'";
    report(['features', 'inModel'], message);
  }
}

/** A container runs what the user's own Python fitted, on raw columns. */
function checkServing({ data, features, serving, training }: Sections, report: Report): void {
  if (serving.target !== 'container') return;
  if (training.trainer === 'xgboost') {
    const message =
      "a container runs what your own train.py fitted; train with trainer: 'python', or use target: 'lambda'";
    report(['serving', 'target'], message);
  }
  if (features.declared) {
    const message =
      "a container takes raw columns; name them in features.inModel and compute the features in features.py, or use target: 'lambda'";
    report(['serving', 'target'], message);
  }
  if (serving.protocol !== 'v2') return;
  const missing = (features.inModel ?? []).find((name) => data.columns[name]?.nullable);
  if (missing === undefined) return;
  report(
    ['serving', 'protocol'],
    `the Open Inference Protocol has no missing values, and ${missing} may be null; use protocol: 'v1', or a column that is never null`,
  );
}

/** The sizes that Fargate has: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html */
function fargateSizesMb(vcpu: number): readonly number[] {
  if (vcpu === 0.25) return [512, 1_024, 2_048];
  const most = { 0.5: 4_096, 1: 8_192, 2: 16_384, 4: 30_720 }[vcpu] ?? 0;
  const least = vcpu * 2_048;
  return Array.from({ length: (most - least) / 1_024 + 1 }, (_, step) => least + step * 1_024);
}

function checkTasks({ serving }: Sections, report: Report): void {
  if (serving.target !== 'ecs') return;
  const { maximumTasks, memoryMb, minimumTasks, vcpu } = serving;
  const sizes = fargateSizesMb(vcpu);
  if (!sizes.includes(memoryMb)) {
    const possible =
      sizes.length > 3
        ? `${sizes[0]} to ${sizes.at(-1)} in steps of 1024`
        : listed(sizes.map(String));
    report(
      ['serving', 'memoryMb'],
      `Fargate has no task of ${vcpu} vCPU with ${memoryMb} MB; use ${possible}, or other serving.vcpu`,
    );
  }
  if (minimumTasks > maximumTasks) {
    report(
      ['serving', 'minimumTasks'],
      `is more than serving.maximumTasks, ${maximumTasks}; lower it or raise serving.maximumTasks`,
    );
  }
}

/** Column's type → the form of a value that it can equal. */
const valuesOfType: Record<ColumnType, { form: string; holds: (value: unknown) => boolean }> = {
  string: { form: 'a string', holds: (value) => typeof value === 'string' },
  integer: { form: 'an integer', holds: Number.isSafeInteger },
  number: { form: 'a number', holds: Number.isFinite },
  boolean: { form: 'true or false', holds: (value) => typeof value === 'boolean' },
  timestamp: { form: 'none', holds: () => false },
};

function checkHoldout(holdout: Holdout, { data }: Sections, report: Report): void {
  if (holdout.by === 'time') {
    if (data.eventTime === undefined)
      report(['evaluation', 'holdout', 'by'], 'a holdout by time needs data.eventTime');
    return;
  }
  const column = columnOf(data, holdout.column);
  if (!column) {
    report(['evaluation', 'holdout', 'column'], `use one of ${listed(Object.keys(data.columns))}`);
  } else if (holdout.by === 'column' && column.type === 'timestamp') {
    report(
      ['evaluation', 'holdout', 'column'],
      'a holdout by column does not take a timestamp; use a holdout by time',
    );
  } else if (holdout.by === 'column' && !valuesOfType[column.type].holds(holdout.value)) {
    report(
      ['evaluation', 'holdout', 'value'],
      `no row could have this value: ${holdout.column} is a column of type ${column.type}; use ${valuesOfType[column.type].form}`,
    );
  }
}

function checkSlices({ data, evaluation }: Sections, report: Report): void {
  for (const [name, { column: columnName, values }] of Object.entries(evaluation.slices)) {
    const path = ['evaluation', 'slices', name];
    const column = columnOf(data, columnName);
    if (!column) {
      report([...path, 'column'], `use one of ${listed(Object.keys(data.columns))}`);
    } else if (columnName === data.label) {
      report([...path, 'column'], 'a slice by the label says nothing; use another column');
    } else if (column.type === 'timestamp') {
      report([...path, 'column'], 'a slice does not take a timestamp; use another column');
    } else if (column.sensitive) {
      report([...path, 'column'], 'a slice is reported; use a column that is not sensitive');
    } else {
      const { form, holds } = valuesOfType[column.type];
      const wrong = values.find((value) => !holds(value));
      if (wrong !== undefined) {
        report(
          [...path, 'values'],
          `no row could have the value ${JSON.stringify(wrong)}: ${columnName} is a column of type ${column.type}; use ${form}`,
        );
      }
    }
  }
}

function checkEvaluation(sections: Sections, report: Report): void {
  const { data, evaluation } = sections;
  const { holdout, metric, task } = evaluation;
  if (!metricsOfTask[task].includes(metric)) {
    report(
      ['evaluation', 'metric'],
      `${task} is measured by one of ${listed(metricsOfTask[task])}`,
    );
  }
  checkHoldout(holdout, sections, report);
  checkSlices(sections, report);
  const label = columnOf(data, data.label);
  if (!label) return;
  if (task === 'binary_classification' && label.type !== 'boolean' && label.type !== 'integer') {
    report(
      ['data', 'label'],
      `binary_classification takes a boolean or a 0/1 integer label; this one is a ${label.type}`,
    );
  }
  if (task === 'regression' && label.type !== 'integer' && label.type !== 'number') {
    report(
      ['data', 'label'],
      `regression takes an integer or number label; this one is a ${label.type}`,
    );
  }
  if (label.nullable)
    report(
      ['data', 'label'],
      'the label column must not be nullable: unlabelled rows cannot train',
    );
}

/** A budget is kept with prices, and one that holds no training would never let any begin. */
function checkBudget({ training, retraining }: Sections, report: Report): void {
  const { monthlyBudgetUsd } = retraining;
  if (monthlyBudgetUsd === undefined) return;
  const path = ['retraining', 'monthlyBudgetUsd'];
  const { instanceType, maxRuntimeSeconds } = training;
  const price = pricePerHourUsd(training);
  const atMost = worstCaseUsd(training);
  if (price === undefined || atMost === undefined) {
    report(
      path,
      `a budget needs a price, and that of ${instanceType} is not known; set training.pricePerHourUsd, or use one of ${listed(pricedInstanceTypes)}`,
    );
  } else if (atMost > monthlyBudgetUsd) {
    report(
      path,
      `one training may cost ${atMost.toFixed(2)} USD (training.maxRuntimeSeconds ${maxRuntimeSeconds} at ${price} USD an hour), so that none would ever begin; raise the budget or lower training.maxRuntimeSeconds`,
    );
  }
}

/** What no single section can check: that they agree with each other. */
export function checkReferences(sections: Sections, context: z.RefinementCtx<unknown>): void {
  const report: Report = (path, message) => context.addIssue({ code: 'custom', path, message });
  checkData(sections, report);
  checkFeatureNames(sections, report);
  checkFeatures(sections, report);
  checkInModel(sections, report);
  checkServing(sections, report);
  checkTasks(sections, report);
  checkEvaluation(sections, report);
  checkBudget(sections, report);
}
