import { describe, expect, it } from 'vitest';
import { describeDifferences } from '../../cli/commands/compare.ts';
import { sha256 } from '../../core/canonical-json.ts';
import type { ParityCheck } from '../../core/inference/parity/parity-check.ts';
import { ImportedVersion, ModelVersion } from '../../core/registry/records.ts';
import { edgesOf } from '../../core/registry/seal-lineage.ts';
import {
  type Difference,
  type DifferenceSection,
  type KnownVersion,
  versionDifferences,
} from '../../core/registry/version-differences.ts';
import { versionMetrics } from '../../core/registry/version-metrics.ts';
import { verdictOf } from '../../core/training/verdict.ts';
import { anEvaluation } from '../builders/evaluation.ts';
import { importedVersion } from '../builders/imported-version.ts';
import { featureSpec, modelVersion } from '../builders/model-version.ts';

const graph = { weights: [0.1, 0.2], bias: 0 };

function trained(
  version: number,
  values: Record<string, string>,
  evaluation = anEvaluation(),
): KnownVersion {
  const { record } = modelVersion(version, graph);
  const { lineage, model, runId, trainingId } = record;
  const hyperparameters = { ...lineage.hyperparameters, values };
  const decidedAt = '2026-01-01T00:00:00.000Z';
  return {
    record: { ...record, lineage: { ...lineage, hyperparameters } },
    metrics: versionMetrics(evaluation, {}),
    spec: featureSpec(),
    verdict: verdictOf({ model, runId, trainingId, version, live: null, evaluation, decidedAt }),
    parity: undefined,
  };
}
const imported = (): KnownVersion => ({
  record: importedVersion(3),
  metrics: undefined,
  spec: featureSpec(),
  verdict: undefined,
  parity: undefined,
});

const rowsOf = (found: { sections: readonly DifferenceSection[] }, title: string) =>
  found.sections.find((section) => section.title === title)?.rows ?? [];
const named = (rows: readonly Difference[], name: string) => rows.find((row) => row.name === name);

describe('two versions side by side', () => {
  it('shows each metric of both and by how much it changed', () => {
    const better = anEvaluation({ metrics: { auc: 0.75, log_loss: 0.5, brier: 0.2 } });
    const found = versionDifferences(trained(1, {}), trained(2, {}, better));
    const auc = named(rowsOf(found, 'how good'), 'auc');
    expect(auc).toMatchObject({ first: 0.7, second: 0.75, equal: false });
    expect(auc?.by).toBeCloseTo(0.05, 12);
    expect(named(rowsOf(found, 'how good'), 'brier')).toMatchObject({ equal: true, by: 0 });
  });

  it("takes the user's own hyperparameters apart, and tells one that only one of them has", () => {
    const first = trained(1, { seed: '1', user: '{"depth":3,"fast":true}' });
    const second = trained(2, { seed: '1', user: '{"depth":5}' });
    const rows = rowsOf(versionDifferences(first, second), 'hyperparameters');
    expect(rows).toEqual([
      { name: 'depth', first: '3', second: '5', equal: false },
      { name: 'fast', first: 'true', second: null, equal: false },
      { name: 'seed', first: '1', second: '1', equal: true },
    ]);
  });

  it('says which of them predicts what its notebook does', () => {
    const parity: ParityCheck = {
      ...{ model: 'parcel-weight', version: 2, by: 'ada', answeredBy: 'endpoint', kind: 'trees' },
      checkedAt: '2026-01-02T00:00:00.000Z',
      predictions: { name: 'predictions.csv', sha256: sha256('predictions') },
      rows: { compared: 90, different: 0, refused: 0, leftOut: 0 },
      maximumDifference: 3e-8,
      maximumRelativeDifference: 1e-7,
      flips: 0,
      verdict: 'equal',
      reasons: [],
    };
    const found = versionDifferences(trained(1, {}), { ...trained(2, {}), parity });
    const rows = rowsOf(found, 'notebook');
    expect(named(rows, 'parity')).toMatchObject({ first: 'no check yet', second: 'equal' });
    expect(named(rows, 'largest |Δ|')).toMatchObject({ first: null, second: 3e-8 });
  });

  it('names features that one of them has not', () => {
    const spec = featureSpec();
    const second = { ...trained(2, {}), spec: { ...spec, features: spec.features.slice(0, 1) } };
    const rows = rowsOf(versionDifferences(trained(1, {}), second), 'features');
    expect(named(rows, 'items')).toMatchObject({ first: 'numeric of items', second: null });
    expect(named(rows, 'length')).toMatchObject({ equal: true });
  });

  it('says what the gate found on the same rows, or that the rows are not the same', () => {
    const comparison = {
      rows: 90,
      production: 0.7,
      candidate: 0.75,
      gain: 0.05,
      interval: { lower: 0.01, upper: 0.09, confidence: 0.95, resamples: 1_000 },
    };
    const production = { outcome: 'compared', version: 1, comparison } as const;
    const paired = versionDifferences(trained(1, {}), trained(2, {}, anEvaluation({ production })));
    expect(paired.notes).toEqual([
      'on the same 90 rows, version 2 gained 0.0500 over version 1 (95 % interval 0.0100 to 0.0900)',
    ]);
    const { record, ...others } = trained(2, {});
    if (record.origin !== 'trained') throw new Error('it was trained');
    const data = { ...record.lineage.data, snapshotId: sha256('another') };
    const elsewhere = { ...others, record: { ...record, lineage: { ...record.lineage, data } } };
    expect(versionDifferences(trained(1, {}), elsewhere).notes).toEqual([
      'the metrics are of different snapshots, so their difference is partly that of the rows',
    ]);
  });

  it('shows what is only declared as declared, and what nobody said as unknown', () => {
    const found = versionDifferences(trained(1, {}), imported());
    expect(named(rowsOf(found, 'data'), 'snapshot')?.second).toBe('declared: customers of 2025');
    expect(named(rowsOf(found, 'code'), 'trainer')?.second).toBe('unknown');
    expect(named(rowsOf(found, 'hyperparameters'), 'all')?.second).toBe('unknown');
    expect(found.notes).toEqual(['version 3 was never evaluated here: how good it is is unknown']);
    const text = describeDifferences(found).join('\n');
    expect(text).toMatch(/auc +0\.7 +unknown +differs/);
    expect(text).toMatch(/origin +trained +imported/);
  });

  it('leaves equal features and hyperparameters to a count', () => {
    const lines = describeDifferences(versionDifferences(trained(1, {}), trained(2, {})));
    expect(lines.filter((line) => line.includes('numeric of'))).toEqual([]);
    expect(lines).toContain('  2 equal');
  });
});

describe('the record of an imported version', () => {
  it('has no answer that it could have sealed but how good it is', () => {
    const record = importedVersion(1);
    expect(ModelVersion.parse(record)).toEqual(record);
    const { record: other } = modelVersion(1, graph);
    for (const answer of ['data', 'code', 'hyperparameters', 'environment'] as const) {
      const lineage = { ...record.lineage, [answer]: other.lineage[answer] };
      expect(ImportedVersion.safeParse({ ...record, lineage }).success, answer).toBe(false);
    }
    const lineage = { ...record.lineage, metrics: other.lineage.metrics };
    expect(ImportedVersion.safeParse({ ...record, lineage }).success).toBe(true);
  });

  it('leads to the data it was evaluated on, which it was not trained on for all that is known', () => {
    const record = importedVersion(1);
    const { data } = modelVersion(1, graph).record.lineage;
    const relations = (found: ModelVersion) => edgesOf(found).map(({ relation }) => relation);
    expect(relations(record)).toEqual(['version_of', 'produced_by', 'ran_job']);
    const evaluated = { ...record, imported: { ...record.imported, evaluatedOn: data } };
    expect(relations(evaluated)).toContain('evaluated_on');
    expect(relations(evaluated)).not.toContain('trained_on');
  });
});
