import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeError } from '../../cli/command-error.ts';
import { type KnownTable, liftNotebook } from '../../cli/init/lift-notebook.ts';
import { notebookWarnings } from '../../cli/init/warnings.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-notebook-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Cell {
  readonly source: string;
  readonly count?: number;
  readonly tags?: readonly string[];
}

const table: KnownTable = {
  columns: {
    id: 'string',
    at: 'timestamp',
    plan: 'string',
    age: 'number',
    spend: 'number',
    churned: 'integer',
  },
  instants: ['at'],
  label: 'churned',
  classifies: true,
  key: 'id',
  time: undefined,
};

const notebookOf = (cells: readonly (string | Cell)[], language = 'python') => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { name: 'k', language } },
  cells: cells.map((cell, i) => {
    const { source, count, tags = [] } = typeof cell === 'string' ? { source: cell } : cell;
    return {
      cell_type: 'code',
      id: `c${i}`,
      source: source.split(/(?<=\n)/),
      execution_count: count ?? null,
      metadata: { tags },
      outputs: [],
    };
  }),
});

function lift(cells: readonly (string | Cell)[], known: Partial<KnownTable> = {}) {
  const path = join(folder, 'churn.ipynb');
  writeFileSync(path, JSON.stringify(notebookOf(cells)));
  return liftNotebook(path, { ...table, ...known });
}

const refusal = (cells: readonly (string | Cell)[]): Promise<string> =>
  lift(cells).then(
    () => 'it was lifted',
    (error: unknown) => describeError(error),
  );

const imports = `import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split`;
const read = 'df = pd.read_csv("churn.csv")';
const fit = `X = df[["age", "spend"]]
y = df["churned"]
model = LogisticRegression(C=0.5, random_state=1)
model.fit(X, y)`;

describe('a notebook', () => {
  it('gives its model, its columns and its numbers', async () => {
    const lifted = await lift([imports, read, 'df.head()', fit]);
    expect(lifted).toMatchObject({
      model: 'model',
      library: 'sklearn',
      container: false,
      inputs: ['age', 'spend'],
      hyperparameters: { C: 0.5 },
      featuresPy: null,
    });
    expect(lifted.trainPy).toContain("LogisticRegression(C=hyperparameters['C'], random_state=1)");
    expect(lifted.trainPy).not.toContain('numpy');
    expect(lifted.leftOut).toEqual([
      { cell: 3, line: 1, code: 'df.head()', reason: 'shows something' },
    ]);
  });

  it('is read without its magics, and strings that look like one stay', async () => {
    const lifted = await lift([
      `%load_ext autoreload\n!pip install pandas\n${imports}`,
      `%%time\n${read}`,
      'NOTE = """\n%matplotlib\n"""\nfiles = !ls\n?pd.read_csv',
      `${fit}\n%time model.fit(X, y)`,
    ]);
    expect(lifted.trainPy).toContain('model.fit(X, y)');
    expect(lifted.leftOut.map(({ cell, line }) => `${cell}:${line}`)).toEqual(
      expect.arrayContaining(['1:1', '1:2', '2:1', '3:4', '3:5']),
    );
  });

  it('is taken in the order in which it ran, where it does not run from top to bottom', async () => {
    const lifted = await lift([
      { source: imports, count: 1 },
      { source: fit, count: 3 },
      { source: read, count: 2 },
    ]);
    expect(lifted.notes.join()).toMatch(/cell 2 uses df, which cell 3 defines.*order.*1, 3, 2/);
    expect(lifted.trainPy).toContain("data['churned']");
  });

  it('may have a dead cell that does not run', async () => {
    const lifted = await lift([imports, read, 'gone.plot()', 'later = missing + 1', fit]);
    expect(lifted.model).toBe('model');
  });

  it('keeps the statistics of the training rows with the model', async () => {
    const lifted = await lift([
      imports,
      read,
      'df["age"] = df["age"].fillna(df["age"].median())',
      fit,
    ]);
    expect(lifted.trainPy).toMatch(/learned_1 = data\['age'\]\.median\(\)/);
    expect(lifted.trainPy).toMatch(/learned_1 = fitted\["learned_1"\]/);
    expect(lifted.trainPy.match(/\.median\(\)/g)).toHaveLength(1);
    expect(lifted.notes.join()).toMatch(/Cell 3, line 1: df\['age'\]\.median\(\) is learned/);
  });

  it('keeps the columns that get_dummies made of the training rows', async () => {
    const lifted = await lift([
      imports,
      read,
      'X = pd.get_dummies(df[["plan", "age"]])\ny = df["churned"]\nmodel = LogisticRegression().fit(X, y)\nscores = model.predict_proba(X)[:, 1]',
    ]);
    expect(lifted.trainPy).toMatch(/columns_of_X = list\(X\.columns\)/);
    expect(lifted.trainPy).toMatch(/X = X\.reindex\(columns=columns_of_X, fill_value=0\)/);
  });

  it('leaves rows out and sorts them in training at most, never where it answers', async () => {
    const { trainPy, leftOut } = await lift([
      imports,
      read,
      'df = df[df["spend"] > 0]\ndf = df.sort_values("spend")\ndf["twice"] = df["spend"] * 2',
      'X = df[["twice"]]\ny = df["churned"]\nmodel = LogisticRegression().fit(X, y)\nscores = model.predict_proba(X)[:, 1]',
    ]);
    const [training = '', predicting = ''] = trainPy.split('def predict');
    expect(training).toContain("data = data[data['spend'] > 0]");
    expect(predicting).not.toContain('> 0');
    expect(predicting).toContain("data['twice']");
    expect(leftOut.some(({ code }) => code.includes('sort_values'))).toBe(true);
  });

  it('does not train with a look at the rows held out', async () => {
    const { trainPy, leftOut, randomSplit } = await lift([
      `${imports}\nimport xgboost as xgb`,
      read,
      'X_train, X_test, y_train, y_test = train_test_split(df.drop(columns=["churned", "id"]), df["churned"], test_size=0.2)',
      'clf = xgb.XGBClassifier(n_estimators=50, early_stopping_rounds=5)\nclf.fit(X_train, y_train, eval_set=[(X_test, y_test)])',
    ]);
    expect(trainPy.split('# Left out')[0]).not.toMatch(/eval_set|early_stopping|test/);
    const gone = leftOut.map(({ code }) => code).join();
    expect(gone).toContain('eval_set=');
    expect(gone).toContain('early_stopping_rounds=5');
    expect(randomSplit).toMatchObject({ cell: 3 });
  });

  it('asks its encoders as they were fitted in training', async () => {
    const { trainPy } = await lift([
      `${imports}\nfrom sklearn.preprocessing import LabelEncoder`,
      `${read}\nencoder = LabelEncoder()\ndf["plan"] = encoder.fit_transform(df["plan"])`,
      'X = df[["plan"]]\nmodel = LogisticRegression().fit(X, df["churned"])\nmodel.predict_proba(X)[:, 1]',
    ]);
    const [training = '', predicting = ''] = trainPy.split('def predict');
    expect(training).toContain("encoder.fit_transform(data['plan'])");
    expect(predicting).toContain("encoder.transform(data['plan'])");
    expect(predicting).not.toContain('LabelEncoder');
  });

  it.each([
    ['df["place"] = df["spend"].rank()', /cell 3, line 1: rank looks at the rows beside/],
    ['df["last"] = df["spend"].shift(1)', /shift looks at the rows beside/],
    ['df["usual"] = df.groupby("plan")["spend"].transform("mean")', /groupby looks at/],
    [
      'def centred(frame):\n    return frame["spend"] - frame["spend"].mean()\ndf["place"] = centred(df)',
      /centred takes frame\['spend'\]\.mean\(\) of the rows/,
    ],
  ])('warns of what looks at other rows: %s', async (line, message) => {
    const { notes } = await lift([
      imports,
      read,
      line,
      'X = df.drop(columns=["churned", "id", "at", "plan"])\nmodel = LogisticRegression().fit(X, df["churned"])',
    ]);
    expect(notes.join('\n')).toMatch(message);
  });

  it('answers with probabilities where it asks a classifier for classes', async () => {
    const { trainPy, notes } = await lift([
      imports,
      `${read}\ndf["more"] = df["age"] + 1`,
      'X = df[["more"]]\nmodel = LogisticRegression().fit(X, df["churned"])\nfound = model.predict(X)',
    ]);
    expect(trainPy).toContain('return model.predict_proba(X)[:, 1]');
    expect(notes.join()).toContain('how likely class 1 is');
  });

  it('does not make the label, which the data have', async () => {
    const { trainPy, leftOut } = await lift([
      imports,
      `${read}\ndf["churned"] = df["churned"].map({"yes": 1, "no": 0})`,
      fit,
    ]);
    expect(trainPy.split('# Left out')[0]).not.toContain('.map(');
    expect(leftOut).toHaveLength(1);
  });

  it.each([
    [
      'train = df[df["at"] <= df["at"].max() - pd.Timedelta(days=9)]',
      { by: 'days', days: 9, inclusive: false },
    ],
    [
      'train = df[df["at"] < "2026-03-01"]',
      { by: 'after', instant: '2026-03-01', inclusive: true },
    ],
    ['train = df[df["plan"] != "team"]', { by: 'column', column: 'plan', value: 'team' }],
  ])('tells how it splits: %s', async (split, holdout) => {
    const lifted = await lift([
      imports,
      'df = pd.read_csv("churn.csv", parse_dates=["at"])',
      `${split}\nmodel = LogisticRegression().fit(train[["age"]], train["churned"])`,
    ]);
    expect(lifted.holdout).toMatchObject(holdout);
    expect(lifted.trainPy.split('# Left out')[0]).not.toContain('train[');
  });

  it('parts what is learned from what is asked, where its functions need what was learned', async () => {
    const lifted = await lift([
      imports,
      read,
      'train = df[df["plan"] != "team"]\ntest = df[df["plan"] == "team"]',
      'means = train.groupby("plan")["spend"].mean().to_dict()\ndef encode(frame):\n    return frame[["age"]].assign(usual=frame["plan"].map(means))',
      'model = LogisticRegression().fit(encode(train), train["churned"])',
      'pd.DataFrame({"id": test["id"], "prediction": model.predict_proba(encode(test))[:, 1]}).to_csv("p.csv")',
    ]);
    expect(lifted.container).toBe(true);
    expect(lifted.trainPy).toContain('return {"model": model, "means": means}');
    expect(lifted.trainPy).toMatch(/means = fitted\["means"\]\n\s+def encode/);
    expect(lifted.inputs).toEqual(['plan', 'age', 'spend']);
  });

  it('takes the table that the model comes from, where it is read more than once, and its chosen columns', async () => {
    const lifted = await lift([
      imports,
      `${read}\ndf.head()`,
      'first = LogisticRegression()\nfirst.predict_proba',
      'df = pd.read_csv("again.csv")\ndf = df.loc[df.plan.notna(), ["churned", "age", "spend"]]',
      'X = df.drop("churned", axis="columns")\nmodel = LogisticRegression().fit(X, df.churned)\nmodel.predict(X)',
    ]);
    expect(lifted.inputs).toEqual(['plan', 'age', 'spend']);
    expect(lifted.trainPy).toContain('data.loc[data.plan.notna()');
    expect(lifted.trainPy.split('# Left out')[0]).not.toContain('read_csv');
  });

  it('lifts a network with its loader, scaler and loop, without the loss on the rows held out', async () => {
    const lifted = await lift([
      `${imports}\nimport torch\nfrom torch import nn\nfrom sklearn.preprocessing import StandardScaler`,
      `${read}\ndf = pd.get_dummies(df, columns=["plan"])\nX = df.drop(columns=["churned", "id", "at"]).values`,
      'X_tr, X_te, y_tr, y_te = train_test_split(X, df["churned"].values)',
      'scaler = StandardScaler()\nX_tr = scaler.fit_transform(X_tr)\nX_te = scaler.transform(X_te)',
      'net = nn.Linear(X_tr.shape[1], 1)\nadam = torch.optim.Adam(net.parameters(), lr=0.01)\nloss_of = nn.BCEWithLogitsLoss()',
      'def epoch_of(net, rows, labels):\n    adam.zero_grad()\n    loss = loss_of(net(rows), labels)\n    loss.backward()\n    adam.step()\n    return loss.item()',
      'for epoch in range(15):\n    loss = epoch_of(net, torch.tensor(X_tr), torch.tensor(y_tr))\n    with torch.no_grad():\n        seen = loss_of(net(torch.tensor(X_te)), torch.tensor(y_te))\n    print(loss, seen)',
      'with torch.no_grad():\n    p = torch.sigmoid(net(torch.tensor(X_te))).numpy()',
    ]);
    const [training = '', predicting = ''] = lifted.trainPy.split('def predict');
    expect(lifted).toMatchObject({ library: 'torch', hyperparameters: { lr: 0.01, epochs: 15 } });
    expect(training).not.toMatch(/scaler\.transform|seen|no_grad/);
    expect(training).toContain(
      'return {"model": net, "columns_of_df": columns_of_df, "scaler": scaler}',
    );
    expect(predicting).toContain('data.reindex(columns=columns_of_df');
    expect(predicting).toContain('scaler.transform(X)');
    expect(predicting).toMatch(
      /torch\.sigmoid\(net\(torch\.tensor\(X\)\)\)\.numpy\(\)\n\s+return p/,
    );
  });

  it('lifts the model whose predictions it writes, among several', async () => {
    const lifted = await lift([
      imports,
      read,
      `${fit}\nother = LogisticRegression(C=9.0).fit(X, y)\nscores = model.predict_proba(X)[:, 1]`,
      'df.assign(prediction=scores).to_csv("p.csv")',
    ]);
    expect(lifted.model).toBe('model');
    expect(lifted.leftOut.find(({ code }) => code.startsWith('other'))?.reason).toMatch(
      /another model/,
    );
  });

  it('is followed where its cells are tagged', async () => {
    const lifted = await lift([
      imports,
      { source: read, tags: ['slipway:data'] },
      { source: 'df["more"] = df["age"] + 1', tags: ['slipway:features'] },
      { source: fit, tags: ['slipway:model'] },
      { source: 'model = LogisticRegression(C=7.0).fit(X, y)', tags: ['slipway:skip'] },
      'other = LogisticRegression(C=9.0).fit(X, y)',
    ]);
    expect(lifted.hyperparameters).toEqual({ C: 0.5 });
    expect(lifted.featuresPy).toContain("data['more']");
    expect(lifted.leftOut.find(({ cell }) => cell === 5)?.reason).toBe('tagged slipway:skip');
  });
});

describe('a notebook is refused', () => {
  it.each<[string, readonly (string | Cell)[], RegExp]>([
    [
      'a line that is no Python',
      [imports, 'x = 1\nif x\n  y = 2'],
      /cell 2, line 2 is no Python.*if x/,
    ],
    [
      'cells that cannot be put in order',
      [
        imports,
        read,
        'X = df[features]\ny = df["churned"]\nmodel = LogisticRegression().fit(X, y)',
        'features = ["age"]',
      ],
      /cell 3, line 1 uses features, which cell 4 defines.*run all/,
    ],
    ['no model', [imports, read], /no model is fitted.*slipway:model/],
    [
      'no data',
      [imports, 'X = [[1]]\ny = [1]\nmodel = LogisticRegression().fit(X, y)'],
      /no cell reads a table.*slipway:data/,
    ],
    ['no code', [], /no cell of code/],
    [
      'a table that is no pandas',
      ['import polars as pl', 'df = pl.read_csv("a.csv")', 'model.fit(df["a"], df["churned"])'],
      /cell 2, line 1 reads with polars.*pandas DataFrame/,
    ],
  ])('for %s', async (_, cells, message) => {
    expect(await refusal(cells)).toMatch(message);
  });

  it('says so too where what comes later hides the table', async () => {
    expect(
      await refusal([
        imports,
        'model = LogisticRegression().fit(X, df["churned"])',
        'X = df[["age"]]',
        read,
      ]),
    ).toMatch(/cell 2, line 1 uses X, which cell 3 defines.*run all/);
  });

  it.each([
    ['not a notebook', 'hello', /is not a notebook: it is not JSON/],
    ['of an old form', '{"worksheets": []}', /not a notebook of version 4/],
    ['of another language', JSON.stringify(notebookOf(['x <- 1'], 'R')), /a notebook of R/],
  ])('that is %s', async (_, text, message) => {
    const path = join(folder, 'other.ipynb');
    writeFileSync(path, text);
    await expect(liftNotebook(path, table)).rejects.toThrow(message);
  });
});

describe('the notebooks that come with the project', () => {
  const notebook = (name: string) => join(import.meta.dirname, '..', 'notebooks', `${name}.ipynb`);
  const tables: Readonly<Record<string, KnownTable>> = {
    birdstrikes: {
      columns: Object.fromEntries(
        [
          'strike_id',
          'Aircraft Airline Operator',
          'Origin State',
          'Phase of flight',
          'Wildlife Size',
        ]
          .concat('Wildlife Species', 'Time of day', 'Flight Date', 'Speed IAS in knots', 'damaged')
          .map((name) => [name, 'string']),
      ),
      instants: ['Flight Date'],
      label: 'damaged',
      classifies: true,
      key: 'strike_id',
      time: undefined,
    },
    flights: {
      columns: {
        flight_id: 'string',
        date: 'timestamp',
        origin: 'string',
        destination: 'string',
        distance: 'number',
        late: 'integer',
      },
      instants: ['date'],
      label: 'late',
      classifies: true,
      key: 'flight_id',
      time: undefined,
    },
    movies: {
      columns: { movie_id: 'string', title: 'string', fold: 'string', comedy: 'integer' },
      instants: [],
      label: 'comedy',
      classifies: true,
      key: 'movie_id',
      time: undefined,
    },
  };

  /** What a line of a notebook binds or calls; undefined where it is no statement, or about the table alone. */
  function boundBy(line: string): string | undefined {
    const isStatement =
      /^[A-Za-z_%!]/.test(line) && !/^(import|from|else|elif|except)\b/.test(line);
    // Numbers become hyperparameters, and the table and its parts are called data.
    const isNumber = /^[A-Z_]+ = [\d.]+$/.test(line);
    if (!isStatement || isNumber || /^(train|test|df|movies|strikes)\b/.test(line))
      return undefined;
    const name = /^(?:def |class |for |with )?([A-Za-z_]+)/.exec(line)?.[1];
    return name === 'features' ? 'feature_names' : name;
  }

  function linesOf(name: string): { place: string; line: string }[] {
    const { cells } = JSON.parse(readFileSync(notebook(name), 'utf8'));
    return cells
      .filter((cell: { cell_type: string }) => cell.cell_type === 'code')
      .flatMap(({ source }: { source: string[] }, cell: number) =>
        source
          .join('')
          .split('\n')
          .map((line, i) => ({ place: `${cell + 1}:${i + 1}`, line })),
      );
  }

  it.each(Object.entries(tables))(
    '%s: every statement is lifted or listed',
    async (name, known) => {
      const { trainPy, featuresPy, leftOut } = await liftNotebook(notebook(name), known);
      const [code = ''] = trainPy.split('# Left out');
      const listed = new Set(leftOut.map(({ cell, line }) => `${cell}:${line}`));
      const statements = linesOf(name).filter(({ place }) => !listed.has(place));
      expect(statements.length).toBeGreaterThan(10);
      for (const { place, line } of statements) {
        const bound = boundBy(line);
        if (bound !== undefined)
          expect(`${code}${featuresPy}`, `${place} ${line}`).toContain(bound);
      }
    },
  );
});

describe('a notebook that was written for other data', () => {
  const own = 'df["ratio"] = df["spend"] / df["age"]\nX = df[["ratio", "tenure"] + EXTRA]';
  const rest = 'y = df["churned"]\nmodel = LogisticRegression().fit(X, y)';

  it('is told by the file it reads', async () => {
    expect((await lift([imports, read, fit])).readsFile).toBe('churn.csv');
    const windows = 'path = r"C:\\data\\movies.csv"\ndf = pd.read_csv(path)';
    expect((await lift([imports, windows, fit])).readsFile).toBe('movies.csv');
    expect((await lift([imports, 'df = pd.read_csv(f"{1}.csv")', fit])).readsFile).toBeNull();
  });

  it('is told by the columns that the data do not have, with their cells', async () => {
    const { unknownColumns } = await lift([imports, read, 'EXTRA = ["plan", "city"]', own, rest]);
    expect(unknownColumns).toEqual([
      { column: 'tenure', cell: 4, line: 2 },
      { column: 'city', cell: 4, line: 2 },
    ]);
  });

  it('is not told by columns that the code makes, renames or picks by a condition', async () => {
    const made = [
      'df = df.rename(columns={"spend": "paid"})',
      'df = df.assign(old=df["age"] > 60)',
      'df = df[df["paid"] > 0]',
      'X = df[["paid", "old"]]',
    ];
    const { unknownColumns } = await lift([imports, read, made.join('\n'), rest]);
    expect(unknownColumns).toEqual([]);
  });

  it('is warned of by name, and no other is', async () => {
    const lifted = await lift([imports, read, 'EXTRA = ["city"]', own, rest]);
    expect(notebookWarnings(lifted, 'data/other.csv').map(({ message }) => message)).toEqual([
      'the notebook reads churn.csv; --data is other.csv. Is it the same table?',
      "cell 4, line 2 reads 'tenure', which other.csv does not have; train.py fails there",
      "cell 4, line 2 reads 'city', which other.csv does not have; train.py fails there",
    ]);
    expect(notebookWarnings(await lift([imports, read, fit]), 'data/churn.csv')).toEqual([]);
  });
});
