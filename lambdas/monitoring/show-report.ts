import type { z } from 'zod';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { DriftReport, driftReportPrefix } from '../../core/monitoring/drift-report.ts';
import { messageWidget, reportWidget } from '../../core/monitoring/report-page.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { lastVerdict } from './last-verdict.ts';
import type { ShowReportEvent } from './show-report.contract.ts';

export interface ReportPlace {
  readonly data: S3Objects;
  readonly models: readonly string[];
}

const description = `## A model's newest report

What its live version is asked and answers, against what it was trained on.

### Parameters

| name | value |
|---|---|
| \`model\` | the model's name |
`;

const dayMs = 86_400_000;

/** Names ascend with time, and a year has thousands: first those of today and yesterday. */
async function newestReportKey(
  { data }: ReportPlace,
  model: string,
  now: Date,
): Promise<string | undefined> {
  const day = (ago: number): string =>
    new Date(now.getTime() - ago * dayMs).toISOString().slice(0, 10).replaceAll('-', '');
  for (const start of [day(0), day(1), '']) {
    const reports = await data.list(`${driftReportPrefix(model)}${start}`);
    const key = reports.map((object) => object.key).findLast((name) => name.endsWith('.json'));
    if (key !== undefined) return key;
  }
  return undefined;
}

/** The widget's HTML. Whoever sees the dashboard asks, so that only the environment's models are read. */
export async function showReport(
  place: ReportPlace,
  { describe, model, widgetContext }: z.infer<typeof ShowReportEvent>,
  now: Date,
): Promise<string> {
  if (describe) return description;
  const theme = widgetContext?.theme;
  if (model === undefined || !place.models.includes(model)) {
    const known = place.models.join(', ');
    return messageWidget(`There is no model '${model ?? ''}' here; choose one of ${known}.`, theme);
  }
  const key = await newestReportKey(place, model, now);
  if (key === undefined) {
    return messageWidget(
      `There is no report of ${model} yet. The first comes with the first check after a version is live.`,
      theme,
    );
  }
  const report = parseDocument(DriftReport, await place.data.getJson(key), key);
  const verdict = await lastVerdict(place.data, model);
  return reportWidget({ report, ...(verdict && { verdict }), ...(theme && { theme }) });
}
