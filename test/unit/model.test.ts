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
    const [problem] = problemsOf(
      aModelDefinition({ training: { trainer: 'xgboost', hyperparameters: { seed: 9 } } }),
    );
    expect(problem).toMatch(/^training\.hyperparameters\.seed: .*training\.seed \(received 9\)$/);
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

  it.each(['monitoring', 'retraining'])(
    'refuses the section %s, which is not available',
    (section) => {
      const [problem] = problemsOf({ ...aModelDefinition(), [section]: { schedule: 'hourly' } });
      expect(problem).toContain(section);
      expect(problem).toContain('not available');
      expect(problem).toContain('remove it');
    },
  );

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
    ['ecs', { serving: { target: 'ecs' } }],
    ['canary', { delivery: { approval: 'automatic', canary: {} } }],
    ['graph', { features: { graph: true, declared: {} } }],
  ])('refuses %s, which is not available', (_, change) => {
    expect(problemsOf({ ...aModelDefinition(), ...change })).not.toEqual([]);
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
