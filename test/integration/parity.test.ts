import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import {
  type DynamodbParityChecks,
  dynamodbParityChecks,
} from '../../adapters/dynamodb-parity-checks.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import type { Deployment } from '../../cli/deployment.ts';
import { compareWithNotebook } from '../../cli/parity/compare-with-notebook.ts';
import { describeParity } from '../../cli/parity/describe-parity.ts';
import type { ParityCheck } from '../../core/inference/parity/parity-check.ts';
import { modelVersion } from '../builders/model-version.ts';
import { linearPrediction } from '../builders/onnx-model.ts';
import { clientConfig, temporaryFolder, useCloud } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
const model = 'parcel-weight';
const graph = { weights: [0.01, -0.2], bias: 0.5 };
let deployment: Deployment;
let checks: DynamodbParityChecks;

beforeAll(async () => {
  const table = await createRegistryTable(cloud(), 'parity');
  const client = new S3Client(clientConfig(cloud()));
  await client.send(new CreateBucketCommand({ Bucket: 'parity-artifacts' }));
  const artifacts = s3Objects({ bucket: 'parity-artifacts', client });
  const registry = dynamodbRegistry(table);
  checks = dynamodbParityChecks(table);
  const { objects, record } = modelVersion(1, graph, model);
  for (const [key, bytes] of objects) await artifacts.put(key, bytes);
  const { runId, registeredAt: startedAt, trainingId } = record;
  const trigger = { kind: 'person', by: 'ada' } as const;
  await registry.putRun({ model, runId, trigger, status: 'RUNNING', reasons: [], startedAt });
  await registry.reserveVersion(model, trainingId);
  await registry.registerVersion(record, []);
  // The parts that are asked for; nothing is live, so no endpoint is.
  deployment = { ledger: dynamodbLedger(table), registry, artifacts } as unknown as Deployment;
});

/** A file with inputs and with what a notebook made of them. */
function csv(rows: readonly { length: number; items: number | null; predicted: number }[]): string {
  const path = join(temporaryFolder(), 'predictions.csv');
  const lines = rows.map(({ items, length, predicted }, row) =>
    [`P${row}`, length, items ?? '', predicted].join(','),
  );
  writeFileSync(path, ['parcel_id,length,items,prediction', ...lines, ''].join('\n'));
  return path;
}
const inputs = Array.from({ length: 400 }, (_, row) => ({
  length: (row * 7) % 290,
  items: row % 40 === 0 ? null : row % 9,
}));
const note = () => undefined;
const compare = (predictions: string) =>
  compareWithNotebook(
    deployment,
    model,
    { predictions, version: 1, threshold: 0.5, kind: 'linear' },
    { note },
  );
const predicted = (length: number, items: number | null) =>
  linearPrediction(graph, [length, items ?? Number.NaN]);

describe('a version and its notebook', () => {
  it('are equal where the notebook computed what the graph does', async () => {
    const rows = inputs.filter(({ items }) => items !== null);
    const { check, comparison } = await compare(
      csv(rows.map((row) => ({ ...row, predicted: predicted(row.length, row.items) }))),
    );
    expect(check).toMatchObject({
      verdict: 'equal',
      answeredBy: 'artifacts',
      rows: { compared: 390, different: 0, refused: 0, leftOut: 0 },
    });
    expect(comparison.maximumDifference).toBeLessThan(1e-6);
  });

  it('are different where the version does not take a row, which is named with the reason', async () => {
    const rows = inputs.filter(({ items }) => items !== null);
    const longer = rows.map((row, i) => (i === 7 ? { ...row, length: 301 } : row));
    const found = await compare(
      csv(longer.map((row) => ({ ...row, predicted: predicted(row.length, row.items) }))),
    );
    expect(found.check).toMatchObject({
      verdict: 'different',
      rows: { compared: 389, refused: 1 },
    });
    expect(found.refused).toEqual([
      { key: 'P7', problem: 'length: must be at most 300 (received 301)' },
    ]);
    expect(describeParity(found).join('\n')).toMatch(
      /refused +P7: length: must be at most 300[\s\S]*DIFFERENT: 1 row\(s\) that the notebook predicted are refused/,
    );
  });

  it('are different by a planted skew, which is named', async () => {
    const rows = inputs.filter(({ items }) => items !== null);
    const skewed = rows.map(({ items, length }) => ({
      ...{ items, length },
      predicted: predicted(length, items === 5 ? 6 : items),
    }));
    const found = await compare(csv(skewed));
    const differing = rows.filter(({ items }) => items === 5).length;
    expect(found.check.rows.different).toBe(differing);
    expect(found.explanation).toBe(
      `in all ${differing} rows that differ, items is 5; in no other row`,
    );
  });
});

describe('what is kept of a check', () => {
  const check = (changes: Partial<ParityCheck> = {}): ParityCheck => ({
    ...{ model: 'kept', version: 1, checkedAt: '2026-01-01T00:00:00.000Z', by: 'ada' },
    answeredBy: 'endpoint',
    predictions: { name: 'p.csv', sha256: '0'.repeat(64) },
    kind: 'trees',
    rows: { compared: 10, different: 0, refused: 0, leftOut: 0 },
    ...{ maximumDifference: 0, maximumRelativeDifference: 0, flips: 0 },
    ...{ verdict: 'equal', reasons: [] },
    ...changes,
  });

  it('is the newest one that counts, of that version alone', async () => {
    expect(await checks.newest('kept', 1)).toBeUndefined();
    expect(await checks.newest('kept', null)).toBeUndefined();
    const [first, later] = [check(), check({ checkedAt: '2026-01-02T00:00:00.000Z', by: 'bob' })];
    await checks.put(later);
    await checks.put(first);
    await checks.put(check({ version: 11, checkedAt: '2026-01-03T00:00:00.000Z' }));
    expect(await checks.newest('kept', 1)).toEqual(later);
    expect(await checks.newest('kept', 2)).toBeUndefined();
  });

  it('stays as it was written', async () => {
    const written = check({ model: 'unchanged' });
    await checks.put(written);
    await checks.put({ ...written, verdict: 'different' });
    expect(await checks.newest('unchanged', 1)).toEqual(written);
  });
});
