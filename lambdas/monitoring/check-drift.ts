import type { z } from 'zod';
import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { sha256 } from '../../core/canonical-json.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import {
  logPrefixes,
  type TimeWindow,
  windowBefore,
  windowCounter,
} from '../../core/monitoring/count-window.ts';
import { type DriftReport, driftReportKey } from '../../core/monitoring/drift-report.ts';
import { judgeDrift } from '../../core/monitoring/judge-drift.ts';
import { ReferenceProfile } from '../../core/monitoring/profile.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { ArtifactCorruptedError } from '../../core/registry/errors.ts';
import { log } from '../runtime/log.ts';
import { measure } from '../runtime/metrics.ts';
import { type CheckDriftResult, DriftMetrics } from './check-drift.contract.ts';

export interface DriftPlace {
  readonly definition: ModelDefinition;
  readonly data: S3Objects;
  readonly artifacts: S3Objects;
  readonly registry: DynamodbRegistry;
  readonly ledger: DynamodbLedger;
}

/** The profile of a version; undefined where it was registered without one. */
async function profileOf(
  { artifacts, registry, definition }: DriftPlace,
  version: number,
): Promise<ReferenceProfile | undefined> {
  const record = await registry.getVersion(definition.name, version);
  const hash = record.artifacts['profile.json']?.sha256;
  if (hash === undefined) return undefined;
  const key = `${record.artifactsPrefix}profile.json`;
  const bytes = await artifacts.get(key);
  const found = sha256(bytes);
  if (found !== hash) throw new ArtifactCorruptedError(key, hash, found);
  return parseDocument(ReferenceProfile, JSON.parse(bytes.toString('utf8')), key);
}

/** Every line of the window's log, an object in memory at a time. */
async function* logLines(
  data: S3Objects,
  model: string,
  window: TimeWindow,
): AsyncGenerator<string> {
  for (const prefix of logPrefixes(model, window)) {
    for (const { key } of await data.list(prefix)) {
      for (const line of (await data.get(key)).toString('utf8').split('\n')) {
        if (line.trim() !== '') yield line;
      }
    }
  }
}

async function reportOn(
  { data, definition }: DriftPlace,
  profile: ReferenceProfile,
  version: number,
  window: TimeWindow,
): Promise<DriftReport> {
  const { name: model, monitoring: policy } = definition;
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
  };
}

function measureReport(report: DriftReport, reportKey: string): void {
  const { model, rows, worst, drifted, status, prediction, unreadable } = report;
  const judged = status !== 'insufficient_data';
  measure(
    model,
    {
      [DriftMetrics.rows]: { value: rows, unit: 'Count' },
      ...(worst && { [DriftMetrics.worstPsi]: { value: worst.psi, unit: 'None' } }),
      ...(judged && { [DriftMetrics.driftedFeatures]: { value: drifted.length, unit: 'Count' } }),
      ...(prediction.shape && {
        [DriftMetrics.predictionPsi]: { value: prediction.shape.psi, unit: 'None' },
      }),
    },
    status === 'drifted' || unreadable > 0 ? 'warn' : 'info',
    'drift checked',
    { status, drifted, worst, unreadable, prediction: prediction.status, reportKey },
  );
}

/**
 * Compares what the live version answered in the window before an instant with its reference profile,
 * and writes the report.
 * @throws ArtifactCorruptedError, InvalidDocumentError where the profile is not what was registered.
 */
export async function checkDrift(
  place: DriftPlace,
  at: Date,
): Promise<z.input<typeof CheckDriftResult>> {
  const { name: model, monitoring } = place.definition;
  const { live } = await place.ledger.head(model);
  if (live === undefined) return { outcome: 'no_live_version' };
  const profile = await profileOf(place, live);
  if (!profile) {
    log('warn', `version ${live} has no profile; train it again to have it watched`, { model });
    return { outcome: 'no_profile' };
  }
  const window = windowBefore(at, monitoring.windowHours);
  const report = await reportOn(place, profile, live, window);
  const reportKey = driftReportKey(model, at);
  await place.data.putJson(reportKey, report);
  measureReport(report, reportKey);
  const { status, drifted, rows } = report;
  return { outcome: 'checked', status, drifted, rows, reportKey };
}
