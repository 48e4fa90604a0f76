import { describe, expect, test } from 'vitest';
import { noteHealth } from '../../core/delivery/version-health.ts';
import type { Run } from '../../core/registry/records.ts';
import { changesBetween, type TrainedOn } from '../../core/training/data-changes.ts';
import type { Evaluation } from '../../core/training/evaluation.ts';
import type { RetrainingWish } from '../../core/training/retraining-state.ts';
import { lastingDrift, newsOf, unchangedReasons } from '../../core/training/run-news.ts';
import { liveAtVerdict, Verdict, verdictOf } from '../../core/training/verdict.ts';
import { anEvaluation } from '../builders/evaluation.ts';
import { featureSpec } from '../builders/model-version.ts';

const hash = (digit: string) => digit.repeat(64);
const file = (key: string, digit: string) => ({
  key,
  versionId: '1',
  sha256: hash(digit),
  bytes: 1,
  rows: 1,
});
const vocabulary = (values: string[]) => ({
  ...featureSpec(),
  features: [
    {
      name: 'origin',
      transform: 'categorical',
      column: 'origin',
      columnType: 'string',
      kind: 'categorical',
      vocabulary: values,
    } as const,
  ],
});
const before: TrainedOn = {
  manifest: { model: 'm', files: [file('a', '1'), file('b', '2')] },
  rows: { train: 1_000, holdout: 100 },
  labelMean: 0.2,
  timeSpan: { from: '2001-01-01T00:00:00.000Z', to: '2001-02-28T00:00:00.000Z' },
  spec: vocabulary(['ATL', 'BOS']),
  modelHash: hash('a'),
  trainerSha256: hash('b'),
  trainingImage: 'xgboost:1',
  hyperparameters: { eta: '0.1', seed: '7' },
};
const now: TrainedOn = {
  ...before,
  manifest: { model: 'm', files: [file('a', '1'), file('b', '3'), file('c', '4')] },
  rows: { train: 2_000, holdout: 200 },
  labelMean: 0.25,
  timeSpan: { from: '2001-01-01T00:00:00.000Z', to: '2001-03-31T00:00:00.000Z' },
  spec: vocabulary(['ATL', 'LAX', 'SFO', 'BOS']),
  modelHash: hash('c'),
  hyperparameters: { eta: '0.3', seed: '7', max_depth: '6' },
};
const changes = changesBetween(13, before, now, new Set());

describe('what changed', () => {
  test('is told of files, rows, categories, code and hyperparameters', () => {
    expect(changes).toMatchObject({
      version: 13,
      files: { production: 2, candidate: 3, added: 2, removed: 1 },
      newCategories: [{ feature: 'origin', count: 2, examples: ['LAX', 'SFO'] }],
      features: { added: [], removed: [] },
      code: { model: true, trainer: false, image: false },
      hyperparameters: [
        { name: 'eta', production: '0.1', candidate: '0.3' },
        { name: 'max_depth', production: null, candidate: '6' },
      ],
    });
  });

  test("tells each of the user's own hyperparameters, apart from the platform's of the same name", () => {
    const own = (values: object) => ({
      trainer: 'python',
      seed: '7',
      user: JSON.stringify(values),
    });
    const found = changesBetween(
      13,
      { ...before, hyperparameters: own({ depth: 3, seed: 1, name: null }) },
      { ...now, hyperparameters: own({ depth: 5, seed: 2, name: null }) },
      new Set(),
    );
    expect(found.hyperparameters).toEqual([
      { name: 'depth', production: '3', candidate: '5' },
      { name: 'seed (train.py)', production: '1', candidate: '2' },
    ]);
  });

  test('tells no value of a sensitive column', () => {
    const [categories] = changesBetween(13, before, now, new Set(['origin'])).newCategories;
    expect(categories).toEqual({ feature: 'origin', count: 2, examples: [] });
  });

  test('is not known where the live version is older than what is kept', () => {
    const old = { ...before, manifest: undefined, labelMean: undefined, timeSpan: undefined };
    const found = changesBetween(13, { ...old, spec: undefined }, now, new Set());
    expect(found).toMatchObject({
      files: { production: null, added: 0, removed: 0 },
      labelMean: { production: null, candidate: 0.25 },
      newCategories: [],
    });
  });
});

const comparison = {
  rows: 9_120,
  production: 0.62,
  candidate: 0.61,
  gain: -0.01,
  interval: { lower: -0.02, upper: 0.001, confidence: 0.95, resamples: 1_000 },
};
const rejected: Evaluation = anEvaluation({
  outcome: 'rejected',
  production: { outcome: 'compared', version: 13, comparison },
  slices: [
    { name: 'east', rows: 5_000, value: 0.61, comparison },
    { name: 'west', rows: 3 },
  ],
  changes,
  rules: [
    { rule: 'baseline', outcome: 'passed', text: 'auc 0.61 against 0.5' },
    { rule: 'production', outcome: 'failed', text: 'auc 0.61 against 0.62 of version 13' },
    { rule: 'cost', outcome: 'not_applied', text: 'no limit' },
  ],
});
const facts = {
  model: 'flight-delay',
  runId: 'flight-delay-20260301T000000-0a1b2c',
  trainingId: hash('d'),
  version: 14,
  evaluation: rejected,
  live: liveAtVerdict(13, undefined),
  decidedAt: '2026-03-01T02:00:00.000Z',
};
const record = (healthy: boolean) =>
  noteHealth(
    undefined,
    { model: 'flight-delay', version: 13 },
    {
      answered: true,
      healthy,
      reason: 'auc fell by 0.1',
      at: '2026-03-01T01:00:00.000Z',
    },
  );
const first = (changed: Partial<typeof facts>) => verdictOf({ ...facts, ...changed }).text[0];

describe('the night text', () => {
  test('says at once what was decided, what answers, and whether to get up', () => {
    expect(first({ live: liveAtVerdict(13, record(true)) })).toBe(
      'v14 REJECTED; v13 still live (healthy). No action tonight.',
    );
    expect(first({})).toBe('v14 REJECTED; v13 still live (no health record). No action tonight.');
    expect(first({ live: liveAtVerdict(13, record(false)) })).toBe(
      'v14 REJECTED; v13 still live (unhealthy at 2026-03-01T01:00:00.000Z: auc fell by 0.1). Look at v13: roll back, or approve another version.',
    );
    expect(verdictOf({ ...facts, live: null }).text[0]).toMatch(
      /^v14 REJECTED; no version is live, so nothing answers\./,
    );
    expect(verdictOf({ ...facts, version: null }).text[0]).toMatch(
      /^The candidate, which could not be measured, REJECTED; v13 still live/,
    );
    expect(first({ evaluation: anEvaluation() })).toMatch(/^v14 PASSED its gate; v13 is live/);
  });

  test('then every rule, the slices, what changed, and the next commands', () => {
    const verdict = verdictOf(facts);
    expect(Verdict.parse(JSON.parse(JSON.stringify(verdict)))).toEqual(verdict);
    expect(verdict.text.slice(1)).toEqual([
      '',
      'PASS  baseline     auc 0.61 against 0.5',
      'FAIL  production   auc 0.61 against 0.62 of version 13',
      '  –   cost         no limit',
      '',
      'auc by slice (reported; it decides nothing):',
      '      east         5,000 rows: 0.61 against 0.62, gain -0.01, 95 % interval -0.02 to +0.001',
      '      west         3 rows: too few to measure',
      '',
      'Changed against v13:',
      '      files        2 → 3 (2 new, 1 gone)',
      '      rows         1,000 + 100 held out → 2,000 + 200 held out',
      '      time span    2001-01-01 to 2001-02-28 → 2001-01-01 to 2001-03-31',
      '      label rate   0.2 → 0.25',
      '      origin       2 new categories: LAX, SFO',
      '      code         changed: model.ts',
      '      eta          0.1 → 0.3',
      '      max_depth    not set → 6',
      '',
      'Next:',
      '  slipway why flight-delay-20260301T000000-0a1b2c',
      '  slipway drift flight-delay',
      '  slipway lineage flight-delay 14',
      '  slipway approve flight-delay 14 --override --reason "…"',
    ]);
  });

  test('offers no override of what is no version', () => {
    expect(verdictOf({ ...facts, version: null }).text.join()).not.toContain('approve');
  });
});

describe('the news of a run', () => {
  const run = { model: 'flight-delay', runId: facts.runId, reasons: ['worse'] };

  test('of a rejected candidate is the night text', () => {
    const verdict = verdictOf(facts);
    const news = newsOf({ ...run, outcome: 'rejected', version: 14, verdict });
    expect(news).toEqual({
      kind: 'run-rejected',
      subject: 'flight-delay: version 14 was rejected, version 13 still live',
      severity: 'news',
      text: verdict.text.join('\n'),
    });
  });

  test('of a second refusal under drift that lasts is a page that says so', () => {
    const wish = (kind: RetrainingWish['kind'], since: string): RetrainingWish => ({
      kind,
      since,
      text: 'made up',
      rowsBefore: 0,
    });
    const ended = (outcome: NonNullable<Run['outcome']>, finishedAt: string): Run => ({
      model: 'flight-delay',
      runId: 'r',
      trigger: { kind: 'drop', by: 'a' },
      status: 'SUCCEEDED',
      outcome,
      reasons: [],
      startedAt: finishedAt,
      finishedAt,
    });
    const drifted = wish('features-drifted', '2026-03-01T00:00:00.000Z');
    const wishes = [wish('drop', '2026-02-01T00:00:00.000Z'), drifted];
    const early = ended('rejected', '2026-02-20T00:00:00.000Z');
    const first = ended('rejected', '2026-03-01T02:00:00.000Z');
    const second = ended('rejected', '2026-03-02T02:00:00.000Z');
    expect(lastingDrift(wishes, [first, early])).toBeUndefined();
    expect(lastingDrift(wishes, [second, ended('collected', second.startedAt), first])).toEqual({
      wish: drifted,
      refusals: 2,
    });
    expect(lastingDrift([wish('drop', drifted.since)], [second, first])).toBeUndefined();
    const lasting = lastingDrift(wishes, [second, first]);
    const news = newsOf({ ...run, outcome: 'rejected', verdict: verdictOf(facts), lasting });
    expect(news?.severity).toBe('page');
    expect(news?.text).toMatch(
      /^features-drifted since 2026-03-01T00:00:00.000Z, and 2 candidates were rejected since: .*\n\nv14 REJECTED/,
    );
  });

  test('of one without a verdict says why', () => {
    expect(newsOf({ ...run, outcome: 'rejected', verdict: undefined })?.text).toContain('- worse');
    expect(newsOf({ ...run, outcome: 'unchanged', verdict: undefined })).toBeUndefined();
  });

  test('a training that was done before says what became of it', () => {
    const registered = { outcome: 'registered', version: 3 } as const;
    const same = 'the same data, code and hyperparameters';
    expect(unchangedReasons(registered)).toEqual([`${same} are version 3`]);
    expect(unchangedReasons({ ...registered, rejection: ['worse'] })).toEqual([
      `${same} were rejected as version 3`,
      'worse',
    ]);
    expect(unchangedReasons({ outcome: 'rejected', reasons: ['NaN'] })).toEqual([
      `${same} were rejected before`,
      'NaN',
    ]);
    expect(unchangedReasons(undefined)).toEqual([]);
  });
});
