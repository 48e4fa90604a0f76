import { describe, expect, it } from 'vitest';
import { describeWhy, nextAfter } from '../../cli/commands/why.ts';
import { program } from '../../cli/program.ts';
import { type Run, RunOutcome } from '../../core/registry/records.ts';
import { verdictOf } from '../../core/training/verdict.ts';
import { anEvaluation } from '../builders/evaluation.ts';

const run: Run = {
  model: 'churn',
  runId: 'churn-20260301T000000-0a1b2c',
  trigger: { kind: 'drop', by: 'landing/churn/a.csv' },
  status: 'SUCCEEDED',
  reasons: ['1,204 of 5,000 labels'],
  startedAt: '2026-03-01T00:00:00.000Z',
};

describe('slipway why', () => {
  it('says the verdict where the run came to one, as it was told then', () => {
    const verdict = verdictOf({
      model: 'churn',
      runId: run.runId,
      trainingId: 'a'.repeat(64),
      version: 2,
      live: null,
      evaluation: anEvaluation(),
      decidedAt: run.startedAt,
    });
    const told = describeWhy({ ...run, outcome: 'live', version: 2 }, verdict);
    expect(told.join('\n')).toContain('v2 PASSED its gate');
    expect(told).toHaveLength(verdict.text.length);
  });

  it('does not send whoever asks to ask the same again', () => {
    const rejected = (version: number | null) =>
      verdictOf({
        model: 'churn',
        runId: run.runId,
        trainingId: 'a'.repeat(64),
        version,
        live: null,
        evaluation: { ...anEvaluation(), outcome: 'rejected' },
        decidedAt: run.startedAt,
      });
    const ended: Run = { ...run, outcome: 'rejected' };
    expect(rejected(2).text.join('\n')).toContain('slipway why');
    for (const version of [2, null]) {
      const told = describeWhy(ended, rejected(version));
      expect(told.join('\n')).not.toContain('slipway why');
      expect(told.indexOf('Next:')).toBeGreaterThan(0);
      expect(told.at(-1)).toMatch(/^ {2}slipway /);
    }
  });

  it('says of every other end what happened and what to do', () => {
    for (const outcome of RunOutcome.options) {
      const told = describeWhy({ ...run, outcome, version: 2 }, undefined).join('\n');
      expect(told).toContain('1,204 of 5,000 labels');
      expect(told).toContain('asked for by drop: landing/churn/a.csv');
      const next = nextAfter({ ...run, outcome, version: 2 });
      expect(next.length).toBeGreaterThan(0);
      const known = program().commands.map((command) => command.name());
      for (const line of next) expect(known).toContain(line.split(' ')[1]);
    }
  });

  it('leads from a failure to its traceback and to a retry, and from a run that goes on to its status', () => {
    expect(nextAfter({ ...run, status: 'FAILED' }).join()).toMatch(
      /slipway logs churn-2026.*slipway retry churn-2026/s,
    );
    expect(nextAfter({ ...run, status: 'RUNNING' })).toEqual(['slipway status churn']);
  });

  it("leads from a failure of the user's own code to mending it, not to the same once more", () => {
    const reasons = ["train.py:41 in train: KeyError: 'plan'", '  train.py:41 in train'];
    const failed: Run = { ...run, status: 'FAILED', reasons };
    const next = nextAfter(failed).join('\n');
    expect(next).toMatch(/^slipway train churn --sample 1000 .*models\/churn\//);
    expect(next).toContain('slipway deploy churn');
    expect(next).not.toContain('retry');
    expect(describeWhy(failed, undefined)[1]).toBe("  train.py:41 in train: KeyError: 'plan'");
  });
});
