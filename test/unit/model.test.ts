import { TrainingInstanceType } from '@aws-sdk/client-sagemaker';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, hashOf } from '../../core/canonical-json.ts';
import {
  defineModel,
  type ModelDefinitionInput,
  modelHash,
} from '../../core/model/define-model.ts';
import { InvalidDocumentError } from '../../core/parse-document.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

/** What defineModel says of a definition that a user could not have compiled, or could. */
function problemsOf(definition: unknown): readonly string[] {
  try {
    defineModel(definition as ModelDefinitionInput);
  } catch (error) {
    if (error instanceof InvalidDocumentError) return error.problems;
    throw error;
  }
  return [];
}

const problemsOfTraining = (training: object) =>
  problemsOf({ ...aModelDefinition(), training: { trainer: 'xgboost', ...training } });

describe('defineModel', () => {
  it('accepts a valid definition and fills in the defaults', () => {
    const model = defineModel(aModelDefinition());
    expect(model.training.spot).toBe(true);
    expect(model.data.mode).toBe('append');
    expect(model.data.checks.minimumRows).toBe(1);
  });

  it('is serialisable: its JSON defines the same model', () => {
    const model = defineModel(aModelDefinition());
    expect(defineModel(JSON.parse(JSON.stringify(model)))).toEqual(model);
  });

  it('names path, value received and fix of a wrong value', () => {
    const [problem, ...others] = problemsOf(
      aModelDefinition({ training: { trainer: 'xgboost', instanceType: 'm5.xlarge' } }),
    );
    expect(others).toEqual([]);
    expect(problem).toContain('training.instanceType');
    expect(problem).toContain('"m5.xlarge"');
    expect(problem).toContain('ml.m5.xlarge');
  });

  it('refuses a hyperparameter that the platform sets, and says where it belongs', () => {
    const [problem] = problemsOfTraining({ hyperparameters: { seed: 9 } });
    expect(problem).toMatch(/^training\.hyperparameters\.seed: .*training\.seed \(received 9\)$/);
  });

  it.each([
    [{ num_rounds: 200 }, 'num_rounds: ', 'did you mean num_round?', '200'],
    [{ maxdepth: 3 }, 'maxdepth: ', 'did you mean max_depth?', '3'],
    [{ verbosity_of_all: 1 }, 'verbosity_of_all: ', 'remove it: there are num_round, ', '1'],
    [{ eta: 5 }, 'eta: ', 'a number above 0 and at most 1', '5'],
    [{ max_depth: 2.5 }, 'max_depth: ', 'an integer of at least 0 and at most 30', '2.5'],
    [{ num_round: '12' }, 'num_round: ', 'an integer', '"12"'],
    [{ grow_policy: 'wide' }, 'grow_policy: ', "'depthwise' or 'lossguide'", '"wide"'],
    [{ eta: 0.1, learning_rate: 0.2 }, 'learning_rate: ', 'remove one', '0.2'],
    [{ device: 'cuda' }, 'device: ', 'ml.m5.xlarge has no GPU', '"cuda"'],
    [{ device: 'gpu' }, 'device: ', 'training.instanceType says', '"gpu"'],
  ])(
    'refuses the hyperparameters %o with path, fix and value',
    (hyperparameters, path, fix, value) => {
      const problems = problemsOfTraining({ hyperparameters });
      expect(problems).toHaveLength(1);
      expect(problems[0]).toContain(`training.hyperparameters.${path}`);
      expect(problems[0]).toContain(fix);
      expect(problems[0]).toContain(`(received ${value})`);
    },
  );

  it('takes of SageMaker’s instance types those that the trainer has packages for', () => {
    const families = new Map<boolean, Set<string>>();
    for (const instanceType of Object.values(TrainingInstanceType)) {
      const taken = problemsOfTraining({ instanceType }).length === 0;
      const [, family = ''] = instanceType.split('.');
      families.set(taken, (families.get(taken) ?? new Set()).add(family));
    }
    expect([...(families.get(false) ?? [])].sort()).toEqual([
      'g7',
      'g7e',
      'p2',
      'p3',
      'p3dn',
      'p6-b200',
      'p6-b300',
      'p6e-gb200',
      'trn1',
      'trn1n',
      'trn2',
    ]);
    const gpus = [...(families.get(true) ?? [])].filter((family) => /^[gp]/.test(family));
    expect(gpus.sort()).toEqual(['g4dn', 'g5', 'g6', 'g6e', 'p4d', 'p4de', 'p5', 'p5e', 'p5en']);
  });

  it.each(['ml.p3.2xlarge', 'ml.trn1.2xlarge', 'ml.c6g.xlarge', 'ml.g5g.xlarge'])(
    'refuses the instance type %s, for which the trainer has no packages',
    (instanceType) => {
      const [problem] = problemsOfTraining({ instanceType });
      expect(problem).toContain('as in ml.m5.xlarge, or an NVIDIA GPU type');
    },
  );

  it('takes a GPU with its device said or not, and refuses to pay for one that is not used', () => {
    const onGpu = (hyperparameters: object) =>
      problemsOfTraining({ instanceType: 'ml.g5.xlarge', hyperparameters });
    expect(onGpu({})).toEqual([]);
    expect(onGpu({ device: 'cuda' })).toEqual([]);
    expect(onGpu({ device: 'cpu' })).toEqual([
      expect.stringMatching(/hyperparameters\.device: ml\.g5\.xlarge would be paid for its GPU/),
    ]);
  });

  it.each([
    ['plan', 1, 'a string'],
    ['age', '18', 'a number'],
    ['left', 0.5, 'an integer'],
    ['left', true, 'an integer'],
    ['seen_at', '2026-01-01', 'a holdout by time'],
  ])('refuses a holdout of rows that cannot be: %s = %o', (column, value, fix) => {
    const { evaluation } = aModelDefinition();
    const holdout = { by: 'column', column, value } as const;
    const problems = problemsOf({ ...aModelDefinition(), evaluation: { ...evaluation, holdout } });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('evaluation.holdout.');
    expect(problems[0]).toContain(fix);
  });

  it.each([
    [{ column: 'plans', values: ['team'] }, 'slices.some.column: use one of customer, seen_at'],
    [{ column: 'left', values: [1] }, 'slices.some.column: a slice by the label'],
    [
      { column: 'seen_at', values: ['2026'] },
      'slices.some.column: a slice does not take a timestamp',
    ],
    [{ column: 'secret', values: ['x'] }, 'slices.some.column: a slice is reported'],
    [{ column: 'plan', values: ['team', 7] }, 'slices.some.values: no row could have the value 7'],
    [{ column: 'plan', values: [] }, 'slices.some.values'],
  ])('refuses a slice that cannot be: %o', (some, problem) => {
    const definition = aModelDefinition();
    const columns = { ...definition.data.columns, secret: { type: 'string', sensitive: true } };
    const problems = problemsOf({
      ...definition,
      data: { ...definition.data, columns },
      evaluation: { ...definition.evaluation, slices: { some } },
    });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`evaluation.${problem}`);
  });

  it('asks a candidate to be surely no worse than what is live, and sets no limit, by default', () => {
    expect(defineModel(aModelDefinition()).evaluation).toMatchObject({
      mustBeatProductionBy: 0,
      confidence: 0.95,
      slices: {},
      limits: {},
    });
    const evaluation = { ...aModelDefinition().evaluation, mustBeatProductionBy: -0.01 };
    expect(problemsOf({ ...aModelDefinition(), evaluation })).toEqual([]);
    expect(
      problemsOf({ ...aModelDefinition(), evaluation: { ...evaluation, confidence: 1 } }),
    ).toHaveLength(1);
  });

  it.each([
    ['plan', 'pro'],
    ['age', 18.5],
    ['left', 1],
  ])('takes a holdout whose value is of its column: %s = %o', (column, value) => {
    const { evaluation } = aModelDefinition();
    const holdout = { by: 'column', column, value } as const;
    expect(problemsOf({ ...aModelDefinition(), evaluation: { ...evaluation, holdout } })).toEqual(
      [],
    );
  });

  it.each([
    [{ type: 'boolean', allowed: [1] }, /only string and integer columns/],
    [{ type: 'integer', allowed: ['1'] }, /integer column must be numbers/],
  ])('refuses allowed values that no row could have: %o', (column, message) => {
    const { data, ...rest } = aModelDefinition();
    const columns = { ...data.columns, planted: column };
    expect(problemsOf({ ...rest, data: { ...data, columns } })[0]).toMatch(message);
  });

  it('names every problem, not only the first', () => {
    const problems = problemsOf({
      ...aModelDefinition(),
      name: 'Churn!',
      serving: { target: 'mainframe' },
    });
    expect(problems).toHaveLength(2);
  });

  it('is trained again with defaults where it says nothing of retraining', () => {
    expect(defineModel(aModelDefinition()).retraining).toEqual({
      alarms: ['features-drifted', 'predictions-drifted', 'quality-dropped'],
      onDrop: 'train',
      minimumLabelledRows: 1,
      cooldownHours: 0,
    });
    const wrong = { alarms: ['latency-high'], onDrop: 'ignore', schedule: 'hourly' };
    const problems = problemsOf({ ...aModelDefinition(), retraining: wrong }).join('\n');
    expect(problems).toContain('retraining.alarms[0]');
    expect(problems).toContain('retraining.onDrop');
    expect(problems).toContain('schedule');
  });

  it('keeps a budget only with a price that is known, and one that a training fits into', () => {
    const retraining = { monthlyBudgetUsd: 1 };
    const training = { trainer: 'xgboost', instanceType: 'ml.m4.xlarge' } as const;
    const [unpriced, ...others] = problemsOf(aModelDefinition({ training, retraining }));
    expect(others).toEqual([]);
    expect(unpriced).toMatch(/retraining\.monthlyBudgetUsd.*ml\.m4\.xlarge is not known/);
    expect(unpriced).toContain('set training.pricePerHourUsd');
    const priced = { ...training, pricePerHourUsd: 0.24 };
    expect(problemsOf(aModelDefinition({ training: priced, retraining }))).toEqual([]);
    const dear = { ...training, pricePerHourUsd: 1.5 };
    expect(problemsOf(aModelDefinition({ training: dear, retraining })).join()).toMatch(
      /one training may cost 1\.50 USD.*raise the budget or lower training\.maxRuntimeSeconds/,
    );
  });

  it('is watched with defaults where it says nothing of monitoring', () => {
    expect(defineModel(aModelDefinition()).monitoring).toEqual({
      windowHours: 24,
      minimumRows: 500,
      psiThreshold: 0.2,
      missingShareThreshold: 0.05,
      significance: 0.01,
      labelDelayHours: 0,
      labelWindowDays: 14,
      quality: { minimumLabels: 500, maximumDrop: 0.05 },
      latencyP95Ms: 1_000,
    });
    expect(problemsOf({ ...aModelDefinition(), monitoring: { minimumRows: 1 } }).join()).toContain(
      'monitoring.minimumRows',
    );
  });

  it("takes the name of the parameter that holds a Slack webhook's URL, and never the URL", () => {
    const withSlack = (slackWebhookParameter: string) => ({
      ...aModelDefinition(),
      monitoring: { slackWebhookParameter },
    });
    expect(defineModel(withSlack('/slack/churn-team')).monitoring.slackWebhookParameter).toBe(
      '/slack/churn-team',
    );
    const url = 'https://hooks.slack.com/services/T0/B0/secret';
    expect(problemsOf(withSlack(url)).join()).toMatch(
      /^monitoring\.slackWebhookParameter: .*never the URL itself/,
    );
  });

  it('joins labels for at least as long as its quality is looked back on', () => {
    const monitored = (monitoring: object) => problemsOf({ ...aModelDefinition(), monitoring });
    expect(monitored({ labelDelayHours: 720 }).join()).toMatch(
      /monitoring\.labelWindowDays.*at least 31/,
    );
    expect(() =>
      defineModel(aModelDefinition({ monitoring: { labelDelayHours: 720, labelWindowDays: 31 } })),
    ).not.toThrow();
  });

  it.each([
    ['a section', { ...aModelDefinition(), colour: 'blue' }, 'colour'],
    [
      'a key of a section',
      aModelDefinition({ serving: { target: 'lambda', replicas: 3 } as never }),
      'replicas',
    ],
  ])('refuses %s that it does not know', (_, definition, key) => {
    expect(problemsOf(definition).join()).toContain(key);
  });

  it.each([
    ['canary', { delivery: { approval: 'automatic', canary: {} } }],
    ['graph', { features: { graph: true, declared: {} } }],
  ])('refuses %s, which is not available', (_, change) => {
    expect(problemsOf({ ...aModelDefinition(), ...change })).not.toEqual([]);
  });

  it.each([
    [0.25, [512, 1_024, 2_048]],
    [0.5, [1_024, 2_048, 3_072, 4_096]],
    [1, [2_048, 3_072, 4_096, 5_120, 6_144, 7_168, 8_192]],
    [2, Array.from({ length: 13 }, (_, step) => 4_096 + step * 1_024)],
    [4, Array.from({ length: 23 }, (_, step) => 8_192 + step * 1_024)],
  ] as const)('takes of tasks of %d vCPU the sizes that Fargate has', (vcpu, sizes) => {
    const taken = Array.from({ length: 60 }, (_, step) => (step + 1) * 512).filter(
      (memoryMb) =>
        problemsOf(aModelDefinition({ serving: { target: 'ecs', vcpu, memoryMb } })).length === 0,
    );
    expect(taken).toEqual(sizes);
  });

  it('says which sizes there are, and which tasks there can be', () => {
    const served = (changes: object) =>
      problemsOf(aModelDefinition({ serving: { target: 'ecs', ...changes } })).join();
    expect(served({ vcpu: 2 })).toMatch(
      /serving\.memoryMb.*2 vCPU with 1024 MB; use 4096 to 16384 in steps of 1024/,
    );
    expect(served({ vcpu: 0.25, memoryMb: 4_096 })).toMatch(/4096 MB; use 512, 1024, 2048/);
    expect(served({ minimumTasks: 9 })).toMatch(
      /serving\.minimumTasks.*more than serving\.maximumTasks, 8; lower it or raise/,
    );
    expect(served({ vcpu: 3 })).toMatch(/serving\.vcpu.*one of 0\.25, 0\.5, 1, 2, 4 vCPU/);
    expect(served({})).toBe('');
  });

  it.each([
    [
      'a label that is no column',
      { data: { ...aModelDefinition().data, label: 'gone' } },
      'data.label',
    ],
    [
      'the label as a feature',
      { features: { declared: { left: { transform: 'numeric', column: 'left' } } } },
      'not known at prediction time',
    ],
    [
      'features whose names differ only by case',
      {
        features: {
          declared: {
            age: { transform: 'numeric', column: 'age' },
            Age: { transform: 'isMissing', column: 'age' },
          },
        },
      },
      'differs from age only by case',
    ],
    [
      "a feature with one of the platform's names",
      { features: { declared: { __row: { transform: 'numeric', column: 'age' } } } },
      'taken by the platform',
    ],
    [
      'both features and raw columns',
      { features: { ...aModelDefinition().features, inModel: ['age'] } },
      'takes exactly one of declared',
    ],
    ['neither features nor raw columns', { features: {} }, 'takes exactly one of declared'],
    [
      'raw columns for the stock trainer',
      { features: { inModel: ['age'] } },
      "train with your own Python, trainer: 'python'",
    ],
    [
      'the label among the raw columns',
      { features: { inModel: ['left'] }, training: { trainer: 'python' } },
      'not known at prediction time',
    ],
    [
      'a raw column that is none',
      { features: { inModel: ['aeg'] }, training: { trainer: 'python' } },
      'not among the declared columns; use one of customer, seen_at, plan, age, left',
    ],
    [
      'a raw column that only every object has',
      { features: { inModel: ['toString'] }, training: { trainer: 'python' } },
      'not among the declared columns',
    ],
    [
      'more columns than can be checked',
      {
        data: {
          ...aModelDefinition().data,
          columns: {
            ...aModelDefinition().data.columns,
            ...Object.fromEntries(
              Array.from({ length: 10_000 }, (_, i) => [`pixel ${i}`, { type: 'number' }]),
            ),
          },
        },
      },
      'declare at most 1,000 columns',
    ],
    [
      'raw columns whose names differ only by case',
      {
        data: {
          ...aModelDefinition().data,
          columns: { ...aModelDefinition().data.columns, Age: { type: 'number' } },
        },
        features: { inModel: ['age', 'Age'] },
        training: { trainer: 'python' },
      },
      'differs from age only by case; rename one of them in the data',
    ],
    [
      'a raw column twice',
      { features: { inModel: ['age', 'age'] }, training: { trainer: 'python' } },
      'features.inModel[1]: is named before',
    ],
    [
      "a column with one of the platform's names",
      {
        data: {
          ...aModelDefinition().data,
          columns: { ...aModelDefinition().data.columns, __label: { type: 'string' } },
        },
      },
      'taken by the platform',
    ],
    [
      'a column whose name ends with a space',
      {
        data: {
          ...aModelDefinition().data,
          columns: { ...aModelDefinition().data.columns, 'age ': { type: 'string' } },
        },
      },
      '1 to 128 printable characters',
    ],
    [
      'a transform that does not fit its column',
      { features: { declared: { plan: { transform: 'dayOfWeek', column: 'plan' } } } },
      'dayOfWeek takes a column of type timestamp',
    ],
    [
      'a metric of another task',
      { evaluation: { ...aModelDefinition().evaluation, metric: 'rmse' } },
      'auc, log_loss, brier',
    ],
    [
      'less waiting than running',
      { training: { trainer: 'xgboost', maxRuntimeSeconds: 600, maxWaitSeconds: 60 } },
      'training.maxWaitSeconds',
    ],
  ])('refuses %s', (_, change, text) => {
    expect(problemsOf({ ...aModelDefinition(), ...change }).join('\n')).toContain(text);
  });

  it('gives one hash to one meaning: defaults written or left out', () => {
    const model = defineModel(aModelDefinition());
    expect(modelHash(defineModel(JSON.parse(JSON.stringify(model))))).toBe(modelHash(model));
    const other = defineModel(aModelDefinition({ description: 'another' }));
    expect(modelHash(other)).not.toBe(modelHash(model));
  });
});

describe('canonical JSON', () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, item]) => [key, shuffled(item)]),
    );
  };

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it('gives the hash that OpenSSL gives for the canonical bytes', () => {
    // printf '{"a":[1,2.5,"é"],"b":null}' | openssl dgst -sha256
    expect(hashOf({ b: null, a: [1, 2.5, 'é'] })).toBe(
      'c85a32002ab44befebd40fe674e4ac562524fa9d905f307b8f88d90d0b01b62c',
    );
  });
});
