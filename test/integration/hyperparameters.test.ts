import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  XgboostHyperparameters,
  xgboostHyperparameterNames,
} from '../../core/model/xgboost-hyperparameters.ts';

const root = join(import.meta.dirname, '..', '..');

/** What a program says that has the trainer's modules at hand, as JSON. */
const askTrainer = (program: string, input: unknown) =>
  JSON.parse(
    execFileSync(join(root, '.venv', 'xgboost', 'bin', 'python'), ['-B', '-c', program], {
      input: JSON.stringify(input),
      encoding: 'utf8',
      env: { PYTHONPATH: join(root, 'containers', 'trainers', 'src') },
    }),
  );

const trainersNames: readonly string[] = askTrainer(
  'import json, xgboost_trainer; print(json.dumps(list(xgboost_trainer.DECLARED)))',
  null,
);
const platforms = ['task', 'seed', 'checkpoint_interval_seconds'];

describe('the hyperparameters of a model', () => {
  it("have the names of the trainer's, but for those that the platform sets", () => {
    expect([...xgboostHyperparameterNames].sort()).toEqual(
      trainersNames.filter((name) => !platforms.includes(name)).sort(),
    );
  });

  it('are refused exactly where the trainer would refuse them on its machine', () => {
    const values = [-1, 0, 1e-9, 0.5, 1, 1.5, 2, 30, 31, 256, 257, 65_535, 65_536, 65_537];
    const others = [100_000, 100_001, 1e9, true, 'cpu', 'tpu', 'depthwise', 'lossguide', 'wide'];
    const probes: Record<string, unknown>[] = [
      ...xgboostHyperparameterNames.flatMap((name) =>
        [...values, ...others].map((value) => ({ [name]: value })),
      ),
      { eta: 0.1, learning_rate: 0.1 },
      { gamma: 1, min_split_loss: 1 },
      { lambda: 1, reg_lambda: 1 },
      { alpha: 1, reg_alpha: 1 },
      { objective: 'reg:squarederror' },
      { num_rounds: 3 },
    ];
    const refusedByTrainer: boolean[] = askTrainer(
      `
import json, sys, xgboost_trainer
from slipway_trainer.errors import HyperparameterError
def refused(probe):
    try:
        xgboost_trainer.check_hyperparameters({"task": "regression", **probe})
    except HyperparameterError:
        return True
    return False
print(json.dumps([refused(probe) for probe in json.load(sys.stdin)]))`,
      probes,
    );
    const refused = probes.map((probe) => !XgboostHyperparameters.safeParse(probe).success);
    const differing = probes.filter((_, i) => refused[i] !== refusedByTrainer[i]);
    expect(differing).toEqual([]);
    expect(refused).toContain(false);
  });
});
