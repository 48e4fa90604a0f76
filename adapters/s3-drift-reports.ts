import { DriftReport, driftReportPrefix } from '../core/monitoring/drift-report.ts';
import { parseDocument } from '../core/parse-document.ts';
import type { S3Objects } from './s3-objects.ts';

const dayMs = 86_400_000;

/**
 * A model's newest drift report; undefined before the first. Names ascend with time, and a year has
 * thousands: those of today and yesterday are looked at first.
 * @throws InvalidDocumentError where it has another form.
 */
export async function newestDriftReport(
  data: S3Objects,
  model: string,
  now: Date,
): Promise<DriftReport | undefined> {
  const day = (ago: number): string =>
    new Date(now.getTime() - ago * dayMs).toISOString().slice(0, 10).replaceAll('-', '');
  for (const start of [day(0), day(1), '']) {
    const reports = await data.list(`${driftReportPrefix(model)}${start}`);
    const key = reports.map((object) => object.key).findLast((name) => name.endsWith('.json'));
    if (key !== undefined) return parseDocument(DriftReport, await data.getJson(key), key);
  }
  return undefined;
}
