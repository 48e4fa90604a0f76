import type { ModelDefinitionInput } from '../../core/model/define-model.ts';
import type { InferredData } from '../../core/model/infer-definition.ts';
import { usageError } from '../command-error.ts';
import type { Lifted } from './lift-notebook.ts';
import { requirementsOf } from './packages.ts';
import type { Plan } from './plan.ts';
import { pythonTests } from './python-tests.ts';

const containerServing = { target: 'container', memoryMb: 2048 } as const;

/** Names of columns as a list of Python. */
const listOf = (names: readonly string[]): string =>
  `[${names.map((name) => JSON.stringify(name)).join(', ')}]`;

function servingRemarks({ why, featuresPy }: Lifted): string[] {
  if (why === null) {
    return ['Served from Lambda: the whole pipeline becomes a graph that takes the raw columns.'];
  }
  return [
    `Served from a container, because ${why}. It costs nothing while idle; its first answer after a while takes long.`,
    ...(featuresPy === null
      ? []
      : [
          'To come to Lambda: say the same as features.declared and set serving to lambda; tests/test_features.py then compares them with features.py.',
        ]),
  ];
}

/** What was lifted out of a notebook. */
export function notebookPlan(name: string, lifted: Lifted, inferred: InferredData): Plan {
  const { trainPy, featuresPy, hyperparameters, inputs, container } = lifted;
  if (inputs.length === 0) {
    throw usageError(
      'the lifted code reads none of the columns of the data; is this the file that the notebook reads?',
    );
  }
  const { text, unknown } = requirementsOf(lifted.packages);
  const serving = container ? containerServing : ({ target: 'lambda' } as const);
  const tested = { name, inferred, inputs, hasFeatures: featuresPy !== null };
  return {
    features: { inModel: [...inputs] },
    training: { trainer: 'python', hyperparameters },
    serving: serving as ModelDefinitionInput['serving'],
    guesses: [
      {
        path: 'features.inModel',
        why: lifted.inputsAreNamed
          ? "the columns that the notebook's code names"
          : 'all columns but those that the notebook drops',
      },
      { path: 'training.hyperparameters', why: "the numbers of the notebook's model" },
      { path: 'serving', why: lifted.why ?? 'the whole pipeline fits into a graph' },
    ],
    remarks: [
      ...servingRemarks(lifted),
      ...lifted.notes,
      ...unknown.map((each) => `requirements.txt needs the version of ${each}.`),
      ...randomRemarks(lifted),
    ],
    inputs,
    files: {
      'train.py': trainPy,
      ...(featuresPy !== null && { 'features.py': featuresPy }),
      'requirements.txt': text,
      ...pythonTests(tested),
    },
  };
}

const randomRemarks = ({ randomSplit }: Lifted): string[] =>
  randomSplit === null
    ? []
    : [
        `The notebook splits at random (cell ${randomSplit.cell}, line ${randomSplit.line}), and here the holdout is another one: the live version learns from other rows than the notebook's model, and parity tells the two apart. To compare like with like, save the fitted model and \`slipway import\` it, or write the split into a column of the data.`,
      ];

const skeleton = (
  label: string,
  numbers: readonly string[],
  words: readonly string[],
  classifies: boolean,
) => {
  const model = classifies ? 'LogisticRegression' : 'Ridge';
  const settings = classifies
    ? 'C=hyperparameters["C"], max_iter=1000'
    : 'alpha=hyperparameters["alpha"]';
  return `"""The model: from a table to something fitted. The platform calls train and serves what it returns."""

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ${model}
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ${listOf(numbers)}
WORDS = ${listOf(words)}
LABEL = ${JSON.stringify(label)}


def train(data, hyperparameters):
    """Fits the model to the training rows.

    data: a DataFrame with the columns of model.ts and the label. hyperparameters: those of model.ts.
    """
    numbers = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    words = OneHotEncoder(handle_unknown="ignore", min_frequency=5)
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("words", words, WORDS)])
    model = Pipeline([("columns", columns), ("model", ${model}(${settings}))])
    return model.fit(data[NUMBERS + WORDS], data[LABEL])
`;
};

/** A train.py to change, which works as it is: a scikit-learn pipeline of the raw columns. */
export function skeletonPlan(name: string, inferred: InferredData, rows: number): Plan {
  const { columns, key, data } = inferred;
  const usable = columns.filter((column) => column.name !== data.label && column.name !== key);
  const numbers = usable
    .filter(({ type }) => type === 'integer' || type === 'number' || type === 'boolean')
    .map((column) => column.name);
  const isCategory = (distinct: number) => distinct <= 1_000 && distinct * 2 <= rows;
  const words = usable
    .filter(({ type, distinct }) => type === 'string' && isCategory(distinct))
    .map((column) => column.name);
  const inputs = [...numbers, ...words];
  if (inputs.length === 0) {
    throw usageError('no column is a number or a category; bring a notebook (--notebook)');
  }
  const classifies = inferred.label.task === 'binary_classification';
  const hyperparameters: Record<string, number> = classifies ? { C: 1 } : { alpha: 1 };
  const tested = { name, inferred, inputs, hasFeatures: false };
  return {
    features: { inModel: inputs },
    training: { trainer: 'python', hyperparameters },
    serving: { target: 'lambda' },
    guesses: [
      { path: 'features.inModel', why: 'every number and every text of few different values' },
    ],
    remarks: ['The whole pipeline of train.py becomes a graph that takes the raw columns.'],
    inputs,
    files: {
      'train.py': skeleton(data.label, numbers, words, classifies),
      'requirements.txt': requirementsOf(['sklearn']).text,
      ...pythonTests(tested),
    },
  };
}
