import type { TrainedVersion } from '../../core/registry/records.ts';
import type { Dropped } from '../drop-files.ts';
import type { FollowedRun } from '../follow-run.ts';
import { columns, styled } from '../terminal.ts';
import type { TrainingStory } from './interruption.ts';
import { type Check, type LoopFindings, loopChecks, loopReport, loopRows } from './loop-report.ts';
import type { Served } from './served.ts';
import { percentile, type Traffic } from './traffic.ts';

/** What the steps of the demo brought back from the registry, the logs and the clock. */
export interface Findings extends LoopFindings {
  readonly model: string;
  readonly seed: number;
  readonly rows: number;
  readonly deploySeconds: number;
  readonly totalSeconds: number;
  readonly dropped: readonly Dropped[];
  readonly droppedRows: number;
  readonly first: FollowedRun;
  readonly version: TrainedVersion;
  readonly hashes: { readonly verified: number; readonly different: readonly string[] };
  readonly training: TrainingStory;
  readonly traffic: Traffic;
  readonly served: Served;
  readonly quarantine: {
    readonly run: FollowedRun['run'];
    readonly keys: readonly string[];
    /** Requests sent and answered between the drop of the broken file and the end of its run. */
    readonly requestsMeanwhile: number;
    readonly liveBefore: number | undefined;
    readonly liveAfter: number | undefined;
  };
}

const spread = (values: readonly number[]) => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
});

/** demo-report.json: every value was read back, none is what the demo meant to do. */
export function makeReport(found: Findings) {
  const { first, quarantine, served, traffic, training, version } = found;
  const { lineage } = version;
  const sent = traffic.labels.size;
  return {
    model: found.model,
    seed: found.seed,
    rows: found.rows,
    seconds: { total: found.totalSeconds, deploy: found.deploySeconds, stages: first.seconds },
    dropped: { rows: found.droppedRows, files: found.dropped },
    run: { runId: first.run.runId, outcome: first.run.outcome ?? first.run.status },
    version: {
      version: version.version,
      registeredAt: version.registeredAt,
      snapshotId: lineage.data.snapshotId,
      featureSpecHash: lineage.data.featureSpecHash,
      modelHash: lineage.code.modelHash,
      trainerSha256: lineage.code.trainerSha256,
      hyperparametersSha256: lineage.hyperparameters.sha256,
      environmentSha256: lineage.environment.sha256,
      metricsSha256: lineage.metrics.sha256,
      onnxSha256: version.artifacts['model.onnx']?.sha256 ?? null,
      hashesVerified: found.hashes.verified,
      hashesDifferent: found.hashes.different,
      trainRows: lineage.data.rows.train,
      holdoutRows: lineage.data.rows.holdout,
    },
    quality: {
      metric: lineage.metrics.primary,
      holdout: lineage.metrics.value,
      baseline: lineage.metrics.baseline,
      served: served.auc,
      labelled: served.labelled,
    },
    training,
    serving: {
      requests: traffic.requests.length,
      rows: sent,
      rowsPerSecond: sent / traffic.wallSeconds,
      endToEndMs: spread(traffic.requests.map(({ endToEndMs }) => endToEndMs)),
      handlerMs: spread(traffic.requests.map(({ handlerMs }) => handlerMs)),
      modelMs: spread(served.modelLatencyMs),
      versions: [...new Set(traffic.requests.map(({ version: answered }) => answered))],
      sent,
      logged: served.logged,
    },
    quarantine: {
      runId: quarantine.run.runId,
      outcome: quarantine.run.outcome ?? quarantine.run.status,
      reasons: quarantine.run.reasons,
      keys: quarantine.keys,
      requestsMeanwhile: quarantine.requestsMeanwhile,
      liveBefore: quarantine.liveBefore ?? null,
      liveAfter: quarantine.liveAfter ?? null,
    },
    loop: loopReport(found),
    checks: [...checks(found), ...loopChecks(found)],
  };
}
export type DemoReport = ReturnType<typeof makeReport>;

/** What the demo promises; one that is not kept makes it fail. */
function checks(found: Findings): Check[] {
  const { first, hashes, quarantine, served, traffic, training, version } = found;
  const { firstRound, killedAtRound, resumedFromRound } = training;
  return [
    { what: 'the first drop ended with a live version', passed: first.run.outcome === 'live' },
    {
      what: 'every hash of its lineage agrees with the objects in S3',
      passed: hashes.verified > 0 && hashes.different.length === 0,
    },
    { what: 'the spot instance was taken away once', passed: training.interruptions === 1 },
    {
      what: 'the training went on from its checkpoint',
      passed:
        killedAtRound !== null &&
        resumedFromRound !== null &&
        resumedFromRound > 0 &&
        resumedFromRound <= killedAtRound &&
        firstRound === resumedFromRound + 1,
    },
    { what: 'every row was answered', passed: traffic.labels.size === found.rows },
    {
      what: 'every answer is in the prediction log, and nothing else',
      passed: served.logged === traffic.labels.size && served.unknown === 0,
    },
    { what: 'every answer got its label', passed: served.labelled === traffic.labels.size },
    {
      what: 'the served predictions beat the baseline',
      passed: served.auc > version.lineage.metrics.baseline,
    },
    { what: 'the broken file went to quarantine', passed: quarantine.keys.length > 0 },
    {
      what: 'its run ended as quarantined, and the live version stayed',
      passed:
        quarantine.run.outcome === 'quarantined' &&
        quarantine.liveBefore !== undefined &&
        quarantine.liveBefore === quarantine.liveAfter,
    },
    { what: 'the model answered meanwhile', passed: quarantine.requestsMeanwhile > 0 },
  ];
}

const ms = (value: number): string => `${value.toFixed(1)} ms`;

/** The report for people. */
export function reportLines(report: DemoReport): string[] {
  const { quality, quarantine, seconds, serving, training, version } = report;
  const rows: string[][] = [
    ['what', 'value'],
    ['version', `${report.model} v${version.version}, registered ${version.registeredAt}`],
    ['snapshot', version.snapshotId],
    ['features', version.featureSpecHash],
    ['model definition', version.modelHash],
    ['trainer', version.trainerSha256],
    ['hyperparameters', version.hyperparametersSha256],
    ['environment', version.environmentSha256],
    ['metrics', version.metricsSha256],
    ['model.onnx', version.onnxSha256 ?? 'missing'],
    [
      'hashes that agree',
      `${version.hashesVerified - version.hashesDifferent.length} of ${version.hashesVerified}`,
    ],
    ['rows', `${version.trainRows} to train on, ${version.holdoutRows} held out`],
    [
      quality.metric.toUpperCase(),
      `holdout ${quality.holdout.toFixed(4)}, served ${quality.served.toFixed(4)} (${quality.labelled} rows), baseline ${quality.baseline.toFixed(4)}`,
    ],
    [
      'training',
      `killed at round ${training.killedAtRound}, resumed from the checkpoint of round ${training.resumedFromRound}, ${training.rounds} rounds in all; ${training.billableSeconds} s billable of ${training.trainingSeconds} s`,
    ],
    ...Object.entries(seconds.stages).map(([stage, spent]) => [
      `  ${stage}`,
      `${spent.toFixed(1)} s`,
    ]),
    [
      'requests',
      `${serving.requests} with ${serving.rows} rows, ${serving.rowsPerSecond.toFixed(0)} rows/s, answered by version ${serving.versions.join(', ')}`,
    ],
    ['  handler', `p50 ${ms(serving.handlerMs.p50)}, p99 ${ms(serving.handlerMs.p99)}`],
    ['  end to end', `p50 ${ms(serving.endToEndMs.p50)}, p99 ${ms(serving.endToEndMs.p99)}`],
    ['prediction log', `${serving.logged} logged of ${serving.sent} sent`],
    [
      'broken file',
      `${quarantine.outcome}; ${quarantine.requestsMeanwhile} requests were answered meanwhile by version ${quarantine.liveAfter}`,
    ],
    ...loopRows(report.loop),
    [
      'time',
      `${seconds.total.toFixed(0)} s in all, ${seconds.deploy.toFixed(0)} s of them to deploy`,
    ],
  ];
  return [
    '',
    ...columns(rows),
    '',
    ...report.checks.map(({ what, passed }) =>
      passed ? `${styled('green', '✓')} ${what}` : `${styled('red', '✗')} ${what}`,
    ),
  ];
}
