import type { TableSummary } from '../../core/model/column-summary.ts';
import type { InferredData } from '../../core/model/infer-definition.ts';
import { inferFeatures } from '../../core/model/infer-features.ts';
import { usageError } from '../command-error.ts';
import type { Plan } from './plan.ts';

/** The stock XGBoost trainer on declared features: works at once, without a line of Python. */
export function stockPlan(inferred: InferredData, { columns, rows }: TableSummary): Plan {
  const { declared, guesses, leftOut } = inferFeatures(inferred, columns, rows);
  if (Object.keys(declared).length === 0) {
    const why = leftOut.map(({ column, why }) => `'${column}' (${why})`).join(', ');
    throw usageError(
      `no column can be a feature: ${why}; for text write a train.py (--python) or bring a notebook (--notebook)`,
    );
  }
  const inputs = [...new Set(Object.values(declared).map(({ column }) => column))];
  return {
    features: { declared },
    training: {
      trainer: 'xgboost',
      hyperparameters: { num_round: 200, eta: 0.1, max_depth: 6 },
      seed: 7,
    },
    serving: { target: 'lambda' },
    guesses: [
      ...guesses,
      { path: 'training.hyperparameters', why: 'a start that suits most tables' },
    ],
    remarks: leftOut.map(({ column, why }) => `Not a feature: ${column} (${why}).`),
    inputs,
    files: { 'tests/test_sample.py': testSample(inferred) },
  };
}

const testSample = ({
  data: { label, columns },
}: InferredData): string => `"""What callers send and what is learned from, held against each other. \`slipway test\` runs it."""

import csv
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent
LABEL = ${JSON.stringify(label)}
COLUMNS = ${JSON.stringify(Object.keys(columns))}


def sample_rows():
    with open(FOLDER / "sample.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_caller_does_not_send_the_label():
    request = json.loads((FOLDER.parent / "request.json").read_text())
    for instance in request["instances"]:
        assert LABEL not in instance
        assert set(instance) <= set(COLUMNS)


def test_the_sample_has_every_column_and_labels_that_differ():
    rows = sample_rows()
    assert list(rows[0]) == COLUMNS
    assert len({row[LABEL] for row in rows}) > 1
`;
