// One function's environment as a process: scores the flights in a folder, shard after shard, and tells the seconds.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { createModelSession } from '../../adapters/model-session.ts';
import { hashFile } from '../../adapters/s3-objects.ts';
import { canonicalJson, sha256 } from '../../core/canonical-json.ts';
import type { FeatureSpec } from '../../core/features/feature-spec.ts';
import { type BatchPlan, cutShards } from '../../core/inference/files/batch-documents.ts';
import type { Signature, SignatureColumn } from '../../core/inference/signature.ts';
import { type Artifact, assembleVersion } from '../../core/inference/versions/load-version.ts';
import { type ScoringPlace, scoreShard } from '../../lambdas/inference/score-shard.ts';

const [folder = '', rows = '', results = ''] = process.argv.slice(2);
const model = 'flight-delay';
const column = (
  name: string,
  type: SignatureColumn['type'],
  nullable = false,
): SignatureColumn => ({
  ...{ name, type, nullable },
  sensitive: false,
});
const words = {
  origin: ['ATL', 'BOS', 'EWR', 'JFK', 'MIA'],
  destination: ['DEN', 'DFW', 'LAX', 'ORD', 'SEA', 'SFO'],
};
const signature: Signature = {
  model,
  task: 'binary_classification',
  inputs: [
    column('date', 'timestamp'),
    column('origin', 'string'),
    column('destination', 'string'),
    { ...column('distance', 'number', true), minimum: 1, maximum: 10_000 },
  ],
  passthrough: [column('flight_id', 'string')],
  runtime: 'onnx',
  tensor: { input: 'features', output: 'prediction', datatype: 'FP32', width: 4 },
};
const coded = (name: 'origin' | 'destination'): FeatureSpec['features'][number] => ({
  ...{ name, column: name, transform: 'categorical' as const },
  ...{ columnType: 'string' as const, kind: 'categorical' as const },
  vocabulary: words[name],
});
const spec: FeatureSpec = {
  model,
  specHash: sha256('bench'),
  input: 'features',
  features: [
    coded('origin'),
    coded('destination'),
    {
      ...{ name: 'distance', column: 'distance', transform: 'numeric' as const },
      ...{ columnType: 'number' as const, kind: 'numeric' as const },
    },
    {
      ...{ name: 'dayOfWeek', column: 'date', transform: 'dayOfWeek' as const },
      ...{ columnType: 'timestamp' as const, kind: 'numeric' as const },
    },
  ],
};

function parity(): string {
  const sample = JSON.parse(readFileSync(join(folder, 'sample.json'), 'utf8'));
  const flat = (sample.rows as (number | null)[][]).flat();
  const shape = (width: number) => [sample.rows.length, width];
  return JSON.stringify({
    input: { data: flat, shape: shape(4) },
    output: { data: sample.answers, shape: shape(1) },
    tolerance: 1e-6,
  });
}

/** A folder in the place of S3: what is written is hashed and copied, as the store checks it. */
const place: ScoringPlace['data'] = {
  find: async (key) =>
    existsSync(join(results, basename(key)))
      ? {
          ...{ key, versionId: '1', etag: '', modifiedAt: new Date() },
          bytes: statSync(join(results, basename(key))).size,
        }
      : undefined,
  getJson: async (key) => JSON.parse(readFileSync(join(results, basename(key)), 'utf8')),
  hash: (key) => hashFile(join(results, basename(key))),
  async putJson(key, value) {
    const text = canonicalJson(value);
    writeFileSync(join(results, basename(key)), text);
    return { sha256: createHash('sha256').update(text).digest('hex'), bytes: text.length };
  },
  async upload(path, key) {
    copyFileSync(path, join(results, basename(key)));
    return hashFile(path);
  },
};

const parts: Record<Artifact, () => Uint8Array> = {
  'model.onnx': () => readFileSync(join(folder, 'model.onnx')),
  'features.json': () => Buffer.from(JSON.stringify(spec)),
  'signature.json': () => Buffer.from(JSON.stringify(signature)),
  'parity.json': () => Buffer.from(parity()),
};
const version = await assembleVersion({
  ...{ model, version: 1, createSession: createModelSession },
  read: async (name) => parts[name](),
});
mkdirSync(results, { recursive: true });
const input = join(folder, 'flights.parquet');
const plan: BatchPlan = {
  ...{ batchId: 'bench', model, version: 1 },
  ...version.identity,
  input: { key: 'flights.parquet', versionId: '1', sha256: sha256('bench'), bytes: 0 },
  typedRows: null,
  rows: Number(rows),
  shards: cutShards(Number(rows)),
  plannedAt: '2026-11-26T06:00:00.000Z',
};
const startedAt = performance.now();
const before = process.cpuUsage();
let scored = 0;
for (const shard of plan.shards.keys()) {
  const scoring = { data: place, version: async () => version, rowsFile: async () => input };
  scored += (await scoreShard(scoring, plan, 'results/', shard)).scored;
}
const { system, user } = process.cpuUsage(before);
const cpuSeconds = (system + user) / 1e6;
const seconds = (performance.now() - startedAt) / 1_000;
process.stdout.write(`${JSON.stringify({ rows: scored, seconds, cpuSeconds })}\n`);
