import { describe, expect, it } from 'vitest';
import { cellRules } from '../../core/datasets/cell-rules.ts';
import { snapshotContent } from '../../core/datasets/landing.ts';
import { quarantineKey, quarantineMessage } from '../../core/datasets/quarantine.ts';
import { contentHash, snapshotId } from '../../core/datasets/snapshot.ts';
import { checkSides } from '../../core/datasets/split-checks.ts';
import type { FileReport, ValidationReport } from '../../core/datasets/validation-report.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

const definition = defineModel(aModelDefinition());
const sha = (digit: string) => digit.repeat(64);

const aFile = (changes: Partial<FileReport> = {}): FileReport => ({
  key: 'landing/churn/a.csv',
  versionId: 'v1',
  sha256: sha('1'),
  bytes: 10,
  rows: 3,
  findings: [
    {
      rule: 'minimum',
      column: 'age',
      count: 2,
      message: 'age must be at least 0; correct the rows',
      examples: [{ row: 2, value: -1 }],
    },
  ],
  ...changes,
});
const aReport = (files: FileReport[]): ValidationReport => ({
  model: 'churn',
  snapshotId: sha('a'),
  manifestKey: 'snapshots/churn/a/manifest.json',
  outcome: 'invalid',
  files,
});

describe("a snapshot's content", () => {
  const at = (key: string, time: string) => ({ key, modifiedAt: new Date(time) });
  const landed = [
    at('landing/churn/b.csv', '2026-01-02'),
    at('landing/churn/', '2026-01-04'),
    at('landing/churn/a.csv', '2026-01-03'),
    at('landing/churn/deep/c.csv', '2026-01-01'),
  ];

  it('is every file, by key, when files add up', () => {
    expect(snapshotContent(landed, 'append').map(({ key }) => key)).toEqual([
      'landing/churn/a.csv',
      'landing/churn/b.csv',
      'landing/churn/deep/c.csv',
    ]);
  });

  it('is the newest file alone when a file replaces the ones before', () => {
    expect(snapshotContent(landed, 'replace').map(({ key }) => key)).toEqual([
      'landing/churn/a.csv',
    ]);
  });

  it('is nothing when nothing has landed', () => {
    expect(snapshotContent([], 'replace')).toEqual([]);
  });

  it('gives its id, whatever else is in the bucket', () => {
    const file = { key: 'k', versionId: 'v', sha256: sha('1'), bytes: 1, rows: 1 };
    const id = snapshotId({ model: 'churn', files: [file] });
    expect(snapshotId({ files: [{ ...file }], model: 'churn' })).toBe(id);
    expect(snapshotId({ model: 'churn', files: [{ ...file, versionId: 'w' }] })).not.toBe(id);
  });

  it('has the same content when a file is dropped again unchanged, and another when it is not', () => {
    const file = { key: 'k', versionId: 'v', sha256: sha('1'), bytes: 1, rows: 1 };
    const content = contentHash({ model: 'churn', files: [file] });
    expect(contentHash({ model: 'churn', files: [{ ...file, versionId: 'w' }] })).toBe(content);
    expect(contentHash({ model: 'churn', files: [{ ...file, sha256: sha('2') }] })).not.toBe(
      content,
    );
    expect(contentHash({ model: 'churn', files: [file, { ...file, key: 'l' }] })).not.toBe(content);
  });
});

describe('the rules of values', () => {
  it('are those that the definition states, and each says how to mend what breaks it', () => {
    const rules = cellRules(definition).map(({ column, rule }) => `${column} ${rule}`);
    expect(rules).toEqual([
      'customer not_null',
      'customer type',
      'seen_at not_null',
      'seen_at type',
      'plan not_null',
      'plan type',
      'age type',
      'age minimum',
      'age maximum',
      'left not_null',
      'left type',
      'left allowed',
    ]);
    for (const { column, message } of cellRules(definition)) {
      expect(message).toContain(column);
      expect(message).toMatch(/; .*(model\.ts)/);
    }
  });

  it('demand 0 or 1 of an integer label of two classes, declared or not', () => {
    const columns = { ...aModelDefinition().data.columns, left: { type: 'integer' } as const };
    const undeclared = defineModel(
      aModelDefinition({ data: { ...aModelDefinition().data, columns } }),
    );
    expect(cellRules(undeclared).find(({ rule }) => rule === 'allowed')).toMatchObject({
      column: 'left',
      values: [0, 1],
    });
  });
});

describe('what all files have to be together', () => {
  const side = (zeros: number, ones: number) =>
    new Map(Object.entries({ 0: zeros, 1: ones }).filter(([, count]) => count > 0));

  it('is nothing wrong when both sides have rows of both classes', () => {
    const files = [
      { train: side(3, 0), holdout: side(0, 1) },
      { train: side(0, 2), holdout: side(1, 0) },
    ];
    expect(checkSides(definition, files)).toEqual([undefined, undefined]);
  });

  it('is laid at every file when no row is left to train on', () => {
    const files = [
      { train: side(0, 0), holdout: side(1, 1) },
      { train: side(0, 0), holdout: side(2, 2) },
    ];
    const findings = checkSides(definition, files);
    expect(findings.map((finding) => finding?.rule)).toEqual(['holdout', 'holdout']);
    expect(findings[0]?.message).toContain('to train on');
  });

  it('is laid at the files whose rows are all of one class, not at the others', () => {
    const files = [
      { train: side(5, 5), holdout: side(0, 0) },
      { train: side(1, 1), holdout: side(0, 7) },
    ];
    const findings = checkSides(definition, files);
    expect(findings[0]).toBeUndefined();
    expect(findings[1]).toMatchObject({ rule: 'label_classes', column: 'left', count: 7 });
  });

  it('does not ask for classes of a number to predict', () => {
    const regression = defineModel(
      aModelDefinition({
        evaluation: { ...aModelDefinition().evaluation, task: 'regression', metric: 'rmse' },
      }),
    );
    const files = [{ train: new Map([['', 2]]), holdout: new Map([['', 1]]) }];
    expect(checkSides(regression, files)).toEqual([undefined]);
  });
});

describe('quarantine', () => {
  it('keeps two files of one name apart by their content', () => {
    const one = quarantineKey('churn', aFile());
    const other = quarantineKey('churn', aFile({ sha256: sha('2') }));
    expect(one).toBe('quarantine/churn/111111111111-a.csv');
    expect(other).toBe('quarantine/churn/222222222222-a.csv');
  });

  it('tells a person what is wrong, where it is and what to do next', () => {
    const report = aReport([aFile(), aFile({ key: 'landing/churn/good.csv', findings: [] })]);
    const { subject, text } = quarantineMessage(report, {
      bucket: 'data',
      reportKey: 'reports/churn/validation/a.json',
      runId: 'run-1',
    });
    expect(subject).toBe('churn: 1 file in quarantine');
    for (const part of [
      'a.csv -> quarantine/churn/111111111111-a.csv',
      'age, rule minimum: 2 rows, first in row 2 (value -1): age must be at least 0',
      's3://data/reports/churn/validation/a.json',
      's3://data/landing/churn/',
      'run-1',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain('good.csv');
  });

  it('stays readable when thousands of files are wrong', () => {
    const files = Array.from({ length: 5_000 }, (_, i) => aFile({ key: `landing/churn/${i}.csv` }));
    const at = { bucket: 'data', reportKey: 'r', runId: 'run-1' };
    const { text } = quarantineMessage(aReport(files), at);
    expect(text).toContain('and 4990 more files');
    expect(text.length).toBeLessThan(10_000);
  });
});
