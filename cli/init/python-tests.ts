import type { InferredData } from '../../core/model/infer-definition.ts';

export interface TestedModel {
  readonly name: string;
  readonly inferred: InferredData;
  readonly inputs: readonly string[];
  readonly hasFeatures: boolean;
}

const modelTest = ({
  name,
}: TestedModel): string => `"""Rows in, predictions out, through train.py, as the platform calls it: \`npx slipway test ${name}\`.

Given by the platform, from sample.csv: data (as train() gets it, with the label), label, task, fitted (what
train() returned for data) and predict (rows to one number each, features.py included).
"""

import numpy as np
import pytest


@pytest.fixture
def rows(data, label):
    """What a caller sends: no label."""
    return data.drop(columns=label)


def test_every_row_gets_a_prediction(rows, predict, task):
    predictions = predict(rows)
    assert len(predictions) == len(rows)
    assert np.isfinite(predictions).all()
    if task == "binary_classification":
        assert ((predictions >= 0) & (predictions <= 1)).all()


def test_a_row_alone_gets_the_same_prediction_as_among_others(rows, predict):
    """A caller sends one row. What is made of other rows, as a mean or a rank, is another thing then."""
    alone = [predict(rows.iloc[[row]])[0] for row in range(len(rows))]
    np.testing.assert_allclose(alone, predict(rows), rtol=1e-4, atol=1e-6)


def test_the_order_of_the_rows_does_not_matter(rows, predict):
    np.testing.assert_allclose(predict(rows.iloc[::-1])[::-1], predict(rows), rtol=1e-4, atol=1e-6)
`;

const missingTest = (nullable: readonly string[]): string => `

@pytest.mark.parametrize("column", [${nullable.map((name) => JSON.stringify(name)).join(', ')}])
def test_a_missing_value_is_answered(rows, predict, column):
    without = rows[column].where(rows[column].isna())
    assert np.isfinite(predict(rows.assign(**{column: without}))).all()
`;

const directionTest = (column: string): string => `

# What you know of the world: more of a column means a prediction that goes "up", "down" or either way ("any").
DIRECTIONS = [(${JSON.stringify(column)}, 10, "any")]


@pytest.mark.parametrize(("column", "more", "direction"), DIRECTIONS)
def test_more_of_a_column_moves_the_prediction_as_it_must(rows, predict, column, more, direction):
    change = predict(rows.assign(**{column: rows[column] + more})) - predict(rows)
    assert np.isfinite(change).all()
    if direction == "up":
        assert change.mean() >= 0
    elif direction == "down":
        assert change.mean() <= 0
`;

const featuresTest = (
  name: string,
): string => `"""features.py, held against how callers send rows: \`npx slipway test ${name}\`."""

import pandas as pd
import pytest
from features import features


@pytest.fixture
def rows(data, label):
    """What a caller sends: no label."""
    return data.drop(columns=label)


def test_there_is_one_row_of_features_for_each_row_in_the_same_order(data):
    assert list(features(data).index) == list(data.index)


def test_the_rows_that_are_given_stay_as_they_are(rows):
    before = rows.copy()
    features(rows)
    pd.testing.assert_frame_equal(rows, before)


def test_features_of_a_row_do_not_depend_on_the_others(rows):
    alone = pd.concat([features(rows.iloc[[row]]) for row in range(len(rows))])
    pd.testing.assert_frame_equal(alone, features(rows), check_dtype=False)


def test_declared_features_of_the_same_name_are_equal(raw, declared):
    """On the way to Lambda. Skipped while model.ts takes raw columns: declare features, and this compares them."""
    mine = features(raw)
    shared = [name for name in declared if name in mine]
    assert shared, "no declared feature has the name of a column that features.py makes"
    for name in shared:
        pd.testing.assert_series_equal(
            declared[name], mine[name], check_dtype=False, check_names=False, rtol=1e-6
        )
`;

/** tests/ of a model with a train.py. */
export function pythonTests(model: TestedModel): Record<string, string> {
  const { name, inferred, inputs, hasFeatures } = model;
  const columns = inferred.columns.filter((column) => inputs.includes(column.name));
  const nullable = columns.filter((column) => column.nullable).map((column) => column.name);
  const number = columns.find(({ type }) => type === 'number' || type === 'integer');
  return {
    'tests/test_model.py': [
      modelTest(model),
      nullable.length > 0 ? missingTest(nullable) : '',
      number ? directionTest(number.name) : '',
    ].join(''),
    ...(hasFeatures && { 'tests/test_features.py': featuresTest(name) }),
  };
}
