// The gate from a snapshot on: real features, graphs in ONNX Runtime, versions in the registry. Only the
// training job is left out: its files are put where it would have left them.
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { sha256 } from '../../core/canonical-json.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { defineModel, type ModelDefinition } from '../../core/model/define-model.ts';
import { ReferenceProfile } from '../../core/monitoring/profile.ts';
import { Evaluation } from '../../core/training/evaluation.ts';
import { auc } from '../../core/training/metrics.ts';
import { planTraining } from '../../core/training/training-plan.ts';
import { Verdict } from '../../core/training/verdict.ts';
import { takeSnapshot } from '../../lambdas/datasets/take-snapshot.ts';
import { buildFeatures } from '../../lambdas/features/build-features.ts';
import { measureCandidate } from '../../lambdas/inference/measure-candidate.ts';
import { registerVersion } from '../../lambdas/registry/register-version.ts';
import { evaluateCandidate } from '../../lambdas/training/evaluate-candidate.ts';
import { aColumnsDefinition, aModelDefinition } from '../builders/model-definition.ts';
import {
  columnsModel,
  columnsPrediction,
  type GraphColumn,
  type LinearModel,
  linearModel,
  linearPrediction,
} from '../builders/onnx-model.ts';
import { clientConfig, useCloud } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
let s3: S3Client;
let artifacts: S3Objects;
let table: Awaited<ReturnType<typeof createRegistryTable>>;

const trainerSha256 = sha256('trainer');
const trainingImage = 'xgboost@sha256:1';
const now = () => '2026-03-01T02:00:00.000Z';

const bucket = async (name: string): Promise<S3Objects> => {
  await s3.send(new CreateBucketCommand({ Bucket: name }));
  return s3Objects({ bucket: name, client: s3 });
};
beforeAll(async () => {
  s3 = new S3Client(clientConfig(cloud()));
  artifacts = await bucket('gate-artifacts');
  table = await createRegistryTable(cloud(), 'gate');
});

interface Customer {
  readonly customer: string;
  readonly seen_at: string;
  readonly plan: string;
  readonly age: number | null;
  readonly left: 0 | 1;
}

/** Forty customers a day; those who pay more leave more often, and the plans come in another order. */
const customers = (from: number, count: number, plans: readonly string[]): Customer[] =>
  Array.from({ length: count }, (_, i) => {
    const n = from + i;
    const plan = plans[n % plans.length] ?? '';
    const share = { basic: 1, plus: 3, gold: 6, pro: 9 }[plan] ?? 0;
    return {
      customer: `c${n}`,
      seen_at: new Date(Date.UTC(2026, 0, 1 + Math.floor(n / 40), n % 24)).toISOString(),
      plan,
      age: n % 9 === 0 ? null : 20 + ((n * 7) % 50),
      left: (n * 37) % 10 < share ? 1 : 0,
    };
  });
const csv = (rows: readonly Customer[]): string =>
  [
    'customer,seen_at,plan,age,left',
    ...rows.map((row) => `${row.customer},${row.seen_at},${row.plan},${row.age ?? ''},${row.left}`),
  ].join('\n');

const repeated = (counts: Readonly<Record<string, number>>): string[] =>
  Object.entries(counts).flatMap(([plan, count]) => Array<string>(count).fill(plan));
// So that either vocabulary, most frequent first, is in the order of the plans' prices.
const january = customers(0, 320, repeated({ basic: 2, plus: 1, pro: 1 }));
const february = customers(320, 1_200, repeated({ pro: 11, gold: 7, plus: 5, basic: 1 }));
const newestOf = (rows: readonly Customer[]): string | undefined =>
  rows
    .map(({ seen_at }) => seen_at)
    .sort()
    .at(-1);
/** Of some rows, those of the last seven days. */
const lastWeek = (rows: readonly Customer[]): Customer[] => {
  const newest = Date.parse(newestOf(rows) ?? '');
  return rows.filter(({ seen_at }) => Date.parse(seen_at) > newest - 7 * 86_400_000);
};
const heldOut = lastWeek([...january, ...february]);

const slices = {
  payers: { column: 'plan', values: ['plus', 'pro', 'gold'] },
  nobody: { column: 'plan', values: ['free'] },
};
const define = (name: string, changes: Partial<Parameters<typeof aModelDefinition>[0]> = {}) => {
  const definition = aModelDefinition({ name });
  const evaluation = { ...definition.evaluation, slices, limits: { modelSizeMb: 1 } };
  return defineModel({ ...definition, evaluation, ...changes });
};

/** The order that people would rank the plans in, as weights of their codes. */
const rank: Readonly<Record<string, number>> = { basic: -2, plus: 0, gold: 0.7, pro: 2 };

/** A graph over raw columns. */
interface ColumnsGraph {
  readonly columns: readonly GraphColumn[];
  readonly bias: number;
}
type Graph = LinearModel | ColumnsGraph;

const planAgeTime = (points: Readonly<Record<string, number>>): ColumnsGraph => ({
  columns: [
    { name: 'plan', points, others: 0 },
    { name: 'age', weight: 0.001 },
    // Its microseconds are more than the sum's 32 bits hold beside an age: it is read and counts nothing.
    { name: 'seen_at', weight: 0 },
  ],
  bias: -0.5,
});

/** What such a graph gives for a raw row, without DuckDB and ONNX Runtime. */
const columnsAnswer = (
  { columns, bias }: ColumnsGraph,
  row: Readonly<Pick<Record<keyof Customer, string | number | null>, 'plan' | 'age' | 'seen_at'>>,
): number => {
  const micros = row.seen_at === null ? null : Date.parse(String(row.seen_at)) * 1_000;
  return columnsPrediction(columns, bias, { plan: row.plan, age: row.age, seen_at: micros });
};

/** A model's pipeline without its training job. */
async function aPipeline(name: string) {
  const data = await bucket(`gate-${name}`);
  const registry = dynamodbRegistry(table);
  const ledger = dynamodbLedger(table);
  const health = dynamodbVersionHealth(table);
  let runs = 0;

  /** Puts the files of a training job whose model is a graph over the features it was given. */
  async function train(job: string, graph: Graph, parityOf: Graph): Promise<void> {
    await artifacts.putJson(`${job}environment.json`, { python: '3.12' });
    await artifacts.putJson(`${job}metrics.json`, { rounds: 1, kind: 'trees' });
    if ('columns' in graph && 'columns' in parityOf) return trainColumns(job, graph, parityOf);
    if ('columns' in graph || 'columns' in parityOf) throw new Error('both are of one kind');
    const width = graph.weights.length;
    const rows = [Array(width).fill(0), Array(width).fill(1)] as number[][];
    await artifacts.put(`${job}model.onnx`, linearModel(graph));
    await artifacts.putJson(`${job}parity.json`, {
      input: { data: rows.flat(), shape: [2, width] },
      output: { data: rows.map((row) => linearPrediction(parityOf, row)), shape: [2, 1] },
      tolerance: 1e-6,
    });
  }

  async function trainColumns(job: string, graph: ColumnsGraph, parityOf: ColumnsGraph) {
    const rows = [
      { plan: 'pro', age: 30.5, seen_at: '2026-01-01T10:00:00.000Z' },
      { plan: null, age: null, seen_at: null },
    ];
    const of = (name: 'plan' | 'age' | 'seen_at') => rows.map((row) => row[name]);
    await artifacts.put(`${job}model.onnx`, columnsModel(graph.columns, graph.bias));
    await artifacts.putJson(`${job}parity.json`, {
      input: { columns: { plan: of('plan'), age: of('age'), seen_at: of('seen_at') }, rows: 2 },
      output: { data: rows.map((row) => columnsAnswer(parityOf, row)), shape: [2, 1] },
      tolerance: 1e-6,
    });
  }

  return {
    data,
    registry,
    ledger,
    health,
    drop: (file: string, rows: readonly Customer[]) =>
      data.put(`landing/${name}/${file}`, csv(rows)),

    /** From what lies in landing to a verdict, and a version where there can be one. */
    async run<G extends Graph>(
      definition: ModelDefinition,
      graphOf: (spec: FeatureSpec) => G,
      { parityOf }: { parityOf?: G } = {},
    ) {
      runs += 1;
      const runId = `${name}-20260301T02000${runs}-00000a`;
      const trigger = { kind: 'drop', by: 'test' } as const;
      await registry.putRun({
        model: name,
        runId,
        trigger,
        status: 'RUNNING',
        reasons: [],
        startedAt: now(),
      });
      const snapshot = await takeSnapshot({ data, registry }, definition);
      const features = await buildFeatures(data, definition, { runId, ...snapshot });
      const plan = planTraining({
        definition,
        runId,
        contentHash: snapshot.contentHash,
        trainerSha256,
        trainingImage,
        trainingDevice: 'cpu',
        artifactsBucket: artifacts.bucket,
      });
      const spec = FeatureSpec.parse(await data.getJson(features.featuresKey));
      const modelArtifacts = `${plan.outputUri}${plan.trainingJobName}/output/model/`;
      const job = modelArtifacts.slice(`s3://${artifacts.bucket}/`.length);
      const graph = graphOf(spec);
      await train(job, graph, parityOf ?? graph);
      const place = {
        definition,
        data,
        artifacts,
        registry,
        ledger,
        health,
        trainerSha256,
        trainingImage,
        now,
        model: name,
        createSession: createModelSession,
        memoryMb: definition.serving.memoryMb,
        architecture: 'x64',
      };
      const event = { ...snapshot, ...features, ...plan, runId, modelArtifacts };
      const measurement = await measureCandidate(place, event);
      const judge = () => evaluateCandidate(place, { ...event, measurement });
      const judged = await judge();
      const evaluation = Evaluation.parse(await artifacts.getJson(judged.evaluationKey));
      const { evaluationKey } = judged;
      const register = () => registerVersion(place, { ...event, evaluationKey });
      return {
        ...judged,
        job,
        runId,
        spec,
        graph,
        features,
        measurement,
        evaluation,
        judge,
        register,
      };
    },

    async promote(version: number): Promise<void> {
      const at = now();
      await ledger.append({ model: name, state: 'live', version, reason: 'test', by: 'test', at });
    },
  };
}

/** Ranks by the plan alone, whatever codes the vocabulary gives. A graph over a code is a line: best fit. */
const byPlan = (spec: FeatureSpec): LinearModel => {
  const codes = spec.features[0]?.vocabulary ?? [];
  const ranks = codes.map((plan) => rank[String(plan)] ?? 0);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [meanCode, meanRank] = [(codes.length - 1) / 2, mean(ranks)];
  const covariance = mean(ranks.map((value, code) => (code - meanCode) * (value - meanRank)));
  const variance = mean(ranks.map((_, code) => (code - meanCode) ** 2));
  return { weights: [covariance / variance, 0], bias: 0 };
};

/** What a version's graph gives for raw rows, without DuckDB and ONNX Runtime. */
function predictionsOf(spec: FeatureSpec, graph: LinearModel, rows: readonly Customer[]): number[] {
  const codes = new Map(spec.features[0]?.vocabulary?.map((value, code) => [value, code]));
  return rows.map(({ age, plan }) =>
    linearPrediction(graph, [codes.get(plan) ?? Number.NaN, age ?? Number.NaN]),
  );
}

describe('a candidate and the version that is live, with vocabularies of their own', () => {
  it('answer the same rows; the better one passes, and all numbers are told', async () => {
    const pipeline = await aPipeline('better');
    const definition = define('better');
    await pipeline.drop('january.csv', january);
    // The first version is wrong on purpose: it ranks the other way round.
    const first = await pipeline.run(definition, (spec) => ({
      ...byPlan(spec),
      weights: byPlan(spec).weights.map((weight) => -weight),
    }));
    expect(first.evaluation.production).toEqual({ outcome: 'nothing_live' });
    expect(first.spec.features[0]?.vocabulary?.[0]).toBe('basic');
    expect(await first.register()).toBe(1);
    await pipeline.promote(1);

    await pipeline.drop('february.csv', february);
    const second = await pipeline.run(definition, byPlan);
    expect(second.spec.features[0]?.vocabulary).toContain('gold');
    expect(second.spec.features[0]?.vocabulary).not.toEqual(first.spec.features[0]?.vocabulary);

    const labels = heldOut.map(({ left }) => left);
    const old = auc(labels, predictionsOf(first.spec, first.graph, heldOut));
    const fresh = auc(labels, predictionsOf(second.spec, second.graph, heldOut));
    expect(fresh).toBeGreaterThan(old);
    const { production, changes, slices: found } = second.evaluation;
    expect(production).toMatchObject({ outcome: 'compared', version: 1 });
    if (production.outcome !== 'compared') throw new Error('both answered');
    expect(production.comparison.rows).toBe(heldOut.length);
    expect(production.comparison.production).toBeCloseTo(old, 12);
    expect(production.comparison.candidate).toBeCloseTo(fresh, 12);
    expect(second.outcome).toBe('passed');

    const payers = heldOut.filter(({ plan }) => slices.payers.values.includes(plan));
    expect(found[0]).toMatchObject({ name: 'payers', rows: payers.length });
    expect(found[0]?.value).toBeCloseTo(
      auc(
        payers.map(({ left }) => left),
        predictionsOf(second.spec, second.graph, payers),
      ),
      12,
    );
    expect(found[1]).toEqual({ name: 'nobody', rows: 0 });

    expect(changes).toMatchObject({
      version: 1,
      files: { production: 1, candidate: 2, added: 1, removed: 0 },
      newCategories: [{ feature: 'plan', count: 1, examples: ['gold'] }],
      code: { model: false, trainer: false, image: false },
      hyperparameters: [],
      timeSpan: {
        production: { from: '2026-01-01T00:00:00.000Z', to: newestOf(january) },
        candidate: { from: '2026-01-01T00:00:00.000Z', to: newestOf(february) },
      },
    });
    expect(changes?.rows.candidate).toEqual(second.features.rows);
  });

  it('a worse candidate is rejected and becomes a version that says so, once', async () => {
    const pipeline = await aPipeline('worse');
    const definition = define('worse');
    await pipeline.drop('january.csv', january);
    await (await pipeline.run(definition, byPlan)).register();
    await pipeline.promote(1);
    await pipeline.health.record('worse', 1, {
      answered: true,
      healthy: true,
      reason: 'made up',
      at: now(),
    });
    await pipeline.drop('february.csv', february);
    const worse = await pipeline.run(definition, (spec) => ({
      weights: byPlan(spec).weights.map((weight) => -weight),
      bias: 0,
    }));
    expect(worse).toMatchObject({ outcome: 'rejected', measured: true });
    expect(worse.reasons.join('\n')).toMatch(/of version 1 on the same \d+ rows: gain -/);
    expect(await worse.register()).toBe(2);
    expect(await worse.register()).toBe(2);
    const { gate } = await pipeline.registry.getVersion('worse', 2);
    expect(gate?.outcome).toBe('rejected');
    const verdict = Verdict.parse(await pipeline.data.getJson(gate?.verdictKey ?? ''));
    expect(verdict.text[0]).toBe('v2 REJECTED; v1 still live (healthy). No action tonight.');
    expect(await pipeline.ledger.head('worse')).toMatchObject({ live: 1 });
  });

  it('are not compared where the data lacks what the live version reads, and it is told', async () => {
    const pipeline = await aPipeline('narrower');
    await pipeline.drop('january.csv', january);
    await (await pipeline.run(define('narrower'), byPlan)).register();
    await pipeline.promote(1);
    const { data, features } = aModelDefinition();
    const { plan: _, ...columns } = data.columns;
    const { plan: __, ...declared } = features.declared ?? {};
    const evaluation = { ...aModelDefinition().evaluation, slices: {} };
    const narrower = define('narrower', {
      data: { ...data, columns },
      features: { declared },
      evaluation,
    });
    await pipeline.data.put(
      'landing/narrower/january.csv',
      [
        'customer,seen_at,age,left',
        ...january.map((row) => `${row.customer},${row.seen_at},${row.age ?? ''},${row.left}`),
      ].join('\n'),
    );
    const { evaluation: found, reasons } = await pipeline.run(narrower, () => ({
      weights: [0.1],
      bias: 0,
    }));
    expect(found.production).toMatchObject({ outcome: 'not_comparable', version: 1 });
    expect(reasons.join()).toContain(
      'not comparable with version 1, which is live: it reads plan, which model.ts declares no more',
    );
  });

  it('are not compared where an artifact of the live version was changed', async () => {
    const pipeline = await aPipeline('tampered');
    await pipeline.drop('january.csv', january);
    const first = await pipeline.run(define('tampered'), byPlan);
    await first.register();
    await pipeline.promote(1);
    await artifacts.put('models/tampered/1/model.onnx', linearModel({ weights: [9, 9], bias: 9 }));
    await pipeline.drop('february.csv', february);
    const { reasons } = await pipeline.run(define('tampered'), byPlan);
    expect(reasons.join()).toMatch(
      /version 1, which is live: it cannot be loaded \(model\.onnx of .* has SHA-256/,
    );
  });
});

describe('a candidate', () => {
  const alone = async (name: string, graph?: LinearModel, parityOf?: LinearModel) => {
    const pipeline = await aPipeline(name);
    await pipeline.drop('january.csv', january);
    const run = await pipeline.run(define(name), (spec) => graph ?? byPlan(spec), {
      ...(parityOf && { parityOf }),
    });
    return { ...run, pipeline };
  };

  it('leaves beside it what later predictions are compared with, and the same bytes when repeated', async () => {
    const { evaluationKey, job, judge } = await alone('profiled');
    const profile = ReferenceProfile.parse(await artifacts.getJson(`${job}profile.json`));
    const { counts, missing } = profile.prediction.reference;
    expect(counts.reduce((sum, count) => sum + count, missing)).toBe(lastWeek(january).length);
    const before = await artifacts.hash(evaluationKey);
    await judge();
    expect(await artifacts.hash(evaluationKey)).toEqual(before);
  });

  it('is measured as the endpoint answers: time, size, cost', async () => {
    const { measurement, evaluation } = await alone('measured');
    if (measurement.outcome !== 'measured') throw new Error(measurement.reason);
    const { architecture, batch, costPer1000PredictionsUsd, memoryMb, modelBytes, single } =
      measurement.measurement;
    expect({ architecture, memoryMb, modelBytes }).toEqual({
      architecture: 'x64',
      memoryMb: 1_769,
      modelBytes: linearModel({ weights: [1, 1], bias: 1 }).length,
    });
    expect([single.requests, batch.rows]).toEqual([200, 50]);
    expect(single.p50Ms).toBeGreaterThan(0);
    expect(single.p95Ms).toBeGreaterThanOrEqual(single.p50Ms);
    const billedMs = Math.max(1, Math.ceil(single.meanMs));
    expect(costPer1000PredictionsUsd).toBeCloseTo(
      billedMs * (1_769 / 1_024) * 0.0000166667 + 0.0002,
      8,
    );
    const outcomes = evaluation.rules.map(({ rule, outcome }) => `${rule} ${outcome}`);
    expect(outcomes.slice(-3)).toEqual(['latency not_applied', 'size passed', 'cost not_applied']);
  });

  it('that predicts the same for every row is rejected', async () => {
    const { outcome, reasons } = await alone('constant', { weights: [0, 0], bias: 0 });
    expect(outcome).toBe('rejected');
    expect(reasons).toEqual([
      "auc 0.5 against the baseline's 0.5: better by 0, at least 0.01 is required",
    ]);
  });

  it('that differs from its trainer is rejected', async () => {
    const graph = { weights: [0.5, 0], bias: 0 };
    const { outcome, reasons } = await alone('different', graph, { ...graph, bias: 1 });
    expect(outcome).toBe('rejected');
    expect(reasons[0]).toMatch(/^ONNX Runtime gives .* where the trainer gave .* in row 0 of 2/);
  });

  it('that gives no numbers has no metrics, and so is no version', async () => {
    const graph = { weights: [Number.NaN, 0], bias: 0 };
    const run = await alone('numberless', graph, { weights: [0, 0], bias: 0 });
    expect(run).toMatchObject({ outcome: 'rejected', measured: false });
    expect(run.measurement.outcome).toBe('not_measured');
    await expect(run.register()).rejects.toMatchObject({ name: 'LineageIncompleteError' });
    expect(await run.pipeline.registry.listVersions('numberless')).toEqual([]);
  });
});

describe('a candidate that takes raw columns', () => {
  const columns = (name: string) =>
    aColumnsDefinition(['plan', 'age', 'seen_at'], {
      name,
      evaluation: { ...aModelDefinition().evaluation, slices, limits: { modelSizeMb: 1 } },
    });

  it('is measured, compared with a live version of features on the same rows, and registered', async () => {
    const pipeline = await aPipeline('columns');
    await pipeline.drop('january.csv', january);
    const first = await pipeline.run(define('columns'), byPlan);
    await first.register();
    await pipeline.promote(1);

    await pipeline.drop('february.csv', february);
    const graph = planAgeTime({ ...rank, pro: 4 });
    const second = await pipeline.run(columns('columns'), () => graph);
    expect(second.spec).toMatchObject({ input: 'columns' });
    expect(second.measurement).toMatchObject({ outcome: 'measured' });
    const labels = heldOut.map(({ left }) => left);
    const fresh = auc(
      labels,
      heldOut.map((row) => columnsAnswer(graph, row)),
    );
    const old = auc(labels, predictionsOf(first.spec, first.graph, heldOut));
    const { production } = second.evaluation;
    if (production.outcome !== 'compared') throw new Error('both answered');
    expect(production.comparison.candidate).toBeCloseTo(fresh, 6);
    expect(production.comparison.production).toBeCloseTo(old, 12);
    expect(await second.register()).toBe(2);
    expect((await pipeline.registry.getVersion('columns', 2)).artifacts).toHaveProperty(
      'model.onnx',
    );
  });

  it('is what the next one is compared with, be that of features again', async () => {
    const pipeline = await aPipeline('backward');
    await pipeline.drop('january.csv', january);
    const graph = planAgeTime(rank);
    await (await pipeline.run(columns('backward'), () => graph)).register();
    await pipeline.promote(1);
    await pipeline.drop('february.csv', february);
    const { evaluation } = await pipeline.run(define('backward'), byPlan);
    const { production } = evaluation;
    if (production.outcome !== 'compared') throw new Error('both answered');
    const expected = auc(
      heldOut.map(({ left }) => left),
      heldOut.map((row) => columnsAnswer(graph, row)),
    );
    expect(production.comparison.production).toBeCloseTo(expected, 6);
  });

  it('that differs from its trainer is rejected, and the row is told', async () => {
    const pipeline = await aPipeline('unequal');
    await pipeline.drop('january.csv', january);
    const { outcome, reasons } = await pipeline.run(columns('unequal'), () => planAgeTime(rank), {
      parityOf: planAgeTime({ ...rank, pro: 2.1 }),
    });
    expect(outcome).toBe('rejected');
    expect(reasons[0]).toMatch(/^ONNX Runtime gives 0\.\d+ where .* in row 0 of 2/);
  });
});
