import type * as z from 'zod';
import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import type { DynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import { measure } from '../../adapters/embedded-metrics.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { log } from '../../adapters/structured-log.ts';
import { sha256 } from '../../core/canonical-json.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { RetrainingAlarm } from '../../core/model/retraining-section.ts';
import { windowCounter } from '../../core/monitoring/count-window.ts';
import { type DriftReport, driftReportKey } from '../../core/monitoring/drift-report.ts';
import { judgeDrift } from '../../core/monitoring/judge-drift.ts';
import { type TimeWindow, windowBefore } from '../../core/monitoring/log-window.ts';
import { ReferenceProfile } from '../../core/monitoring/profile.ts';
import { reportPage, reportPageKey } from '../../core/monitoring/report-page.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { ArtifactCorruptedError } from '../../core/registry/errors.ts';
import { type Lineage, type ModelVersion, sealedMetrics } from '../../core/registry/records.ts';
import type { RetrainingStore } from '../../core/training/retraining-state.ts';
import { spentUsd } from '../../core/training/training-spend.ts';
import { type CheckDriftResult, CheckMetrics } from './check-drift.contract.ts';
import { countPredictions, logLines, measureQuality } from './measure-quality.ts';

export interface DriftPlace {
  readonly definition: ModelDefinition;
  readonly data: S3Objects;
  readonly artifacts: S3Objects;
  readonly registry: DynamodbRegistry;
  readonly ledger: DynamodbLedger;
  readonly health: Pick<DynamodbVersionHealth, 'record'>;
  readonly retraining: Pick<RetrainingStore, 'read'>;
}

/** The profile of a version; undefined where it was registered without one. */
async function profileOf(
  { artifacts }: DriftPlace,
  record: ModelVersion,
): Promise<ReferenceProfile | undefined> {
  const hash = record.artifacts['profile.json']?.sha256;
  if (hash === undefined) return undefined;
  const key = `${record.artifactsPrefix}profile.json`;
  const bytes = await artifacts.get(key);
  const found = sha256(bytes);
  if (found !== hash) throw new ArtifactCorruptedError(key, hash, found);
  return parseDocument(ReferenceProfile, JSON.parse(bytes.toString('utf8')), key);
}

/** What a version is held to: how its training rows were spread, and how good it was on its holdout. */
interface Reference {
  readonly profile: ReferenceProfile;
  readonly metrics: Lineage['metrics'];
}

async function reportOn(
  { data, definition }: DriftPlace,
  { metrics, profile }: Reference,
  record: ModelVersion,
  window: TimeWindow,
): Promise<DriftReport> {
  const { name: model, monitoring: policy } = definition;
  const { version } = record;
  const counter = windowCounter(profile, version, window);
  for await (const line of logLines(data, model, window)) counter.add(line);
  const { rows, unreadable, ...counts } = counter.counted();
  return {
    model,
    version,
    checkedAt: window.to.toISOString(),
    window: { from: window.from.toISOString(), to: window.to.toISOString() },
    rows,
    unreadable,
    policy,
    ...judgeDrift(profile, counts, policy),
    quality: await measureQuality(data, definition, record, metrics, { at: window.to, rows }),
  };
}

const unitOf = (name: string) => (name === CheckMetrics.driftedFeatures ? 'Count' : 'None');

function measureReport(report: DriftReport, reportKey: string): void {
  const { model, rows, worst, drifted, status, prediction, unreadable, quality } = report;
  const judged = status !== 'insufficient_data';
  const found = {
    [CheckMetrics.worstPsi]: worst?.psi,
    [CheckMetrics.driftedFeatures]: judged ? drifted.length : undefined,
    [CheckMetrics.predictionPsi]: prediction.shape?.psi,
    [CheckMetrics.qualityDrop]: quality.drop ?? undefined,
    [CheckMetrics.labelCoverage]: quality.coverage ?? undefined,
  };
  const isNews = status === 'drifted' || quality.status === 'dropped' || unreadable > 0;
  const measurements = Object.entries(found).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, { value, unit: unitOf(name) }] as const],
  );
  measure(model, Object.fromEntries(measurements), isNews ? 'warn' : 'info', 'drift checked', {
    ...{ status, drifted, worst, rowsInWindow: rows, unreadable, reportKey },
    prediction: prediction.status,
    quality: quality.text,
  });
}

/** What the model's trainings cost this month, with what is set aside for those that go on. */
async function measureCost({ definition, retraining }: DriftPlace, now: Date): Promise<void> {
  const held = await retraining.read(definition.name);
  const value = held ? spentUsd(held.state.spend, now.toISOString()) : 0;
  const cost = { [CheckMetrics.monthToDateCost]: { value, unit: 'None' } } as const;
  measure(definition.name, cost, 'info', 'trainings of the month');
}

/** How far back a check may look and still say something of the version that is live now. */
const presentMs = 15 * 60_000;

/** The alarms that start a training and are about what the check found; where they cannot, nothing is found. */
function alarmsOf({ drifted, policy, prediction, quality }: DriftReport): RetrainingAlarm[] {
  const isAbout: Readonly<Record<RetrainingAlarm, boolean>> = {
    'features-drifted': drifted.length > 0,
    'predictions-drifted': (prediction.shape?.psi ?? 0) >= policy.psiThreshold,
    'quality-dropped': quality.status === 'dropped',
  };
  return RetrainingAlarm.options.filter((alarm) => isAbout[alarm]);
}

/** Notes how the live version serves: a rollback goes to a version that served healthily. */
async function recordHealth({ health }: DriftPlace, report: DriftReport, seenAt: Date) {
  const { model, version, rows, quality, checkedAt } = report;
  if (Math.abs(seenAt.getTime() - Date.parse(checkedAt)) > presentMs) return;
  const dropped = quality.status === 'dropped';
  const answered = rows > 0;
  const counted = answered ? `it answered ${rows} rows` : 'it answered nothing';
  await health.record(model, version, {
    answered,
    // Silence is no fault: whether it ever answered is kept beside.
    healthy: !dropped,
    reason: `${counted} in ${report.policy.windowHours} hours; ${quality.text}`,
    alarms: alarmsOf(report),
    at: seenAt.toISOString(),
  });
}

/**
 * Of a version without a reference nothing can be judged, but whether it answers is noted all the same: a
 * rollback goes to no version that no check has looked at.
 */
async function noteUnjudged(
  { data, definition, health }: DriftPlace,
  record: ModelVersion,
  window: TimeWindow,
  seenAt: Date,
): Promise<void> {
  const { model, version } = record;
  const { windowHours } = definition.monitoring;
  const rows = await countPredictions(data, record, window);
  const why =
    record.origin === 'imported'
      ? 'no training rows are known of it'
      : 'it was registered without a profile; train it again to have it watched';
  log('warn', `drift and quality of version ${version} are not judged: ${why}`, { model, rows });
  if (Math.abs(seenAt.getTime() - window.to.getTime()) > presentMs) return;
  await health.record(model, version, {
    answered: rows > 0,
    healthy: true,
    reason: `it answered ${rows} rows in ${windowHours} hours; nothing else is judged, because ${why}`,
    alarms: [],
    at: seenAt.toISOString(),
  });
}

/**
 * Compares what the live version answered in the window before an instant with its reference profile, and
 * what turned out with its holdout, writes the report, and notes how the version serves. What the trainings
 * of the month cost is measured too.
 * @throws ArtifactCorruptedError, InvalidDocumentError where the profile is not what was registered.
 */
export async function checkDrift(
  place: DriftPlace,
  at: Date,
): Promise<z.input<typeof CheckDriftResult>> {
  const { name: model, monitoring } = place.definition;
  const { live } = await place.ledger.head(model);
  const seenAt = new Date();
  await measureCost(place, seenAt);
  if (live === undefined) return { outcome: 'no_live_version' };
  const record = await place.registry.getVersion(model, live);
  const profile = await profileOf(place, record);
  const metrics = sealedMetrics(record);
  const window = windowBefore(at, monitoring.windowHours);
  if (!profile || !metrics) {
    await noteUnjudged(place, record, window, seenAt);
    return { outcome: 'no_profile' };
  }
  const report = await reportOn(place, { profile, metrics }, record, window);
  const reportKey = driftReportKey(model, at);
  await place.data.putJson(reportKey, report);
  await place.data.put(reportPageKey(reportKey), reportPage({ report }));
  await recordHealth(place, report, seenAt);
  measureReport(report, reportKey);
  const { status, drifted, rows, quality } = report;
  return { outcome: 'checked', status, drifted, rows, quality: quality.status, reportKey };
}
