import type * as z from 'zod';
import { newestDriftReport } from '../../adapters/s3-drift-reports.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { messageWidget, reportWidget } from '../../core/monitoring/report-page.ts';
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
  const report = await newestDriftReport(place.data, model, now);
  if (!report) {
    return messageWidget(
      `There is no report of ${model} yet. The first comes with the first check after a version is live.`,
      theme,
    );
  }
  const verdict = await lastVerdict(place.data, model);
  return reportWidget({ report, ...(verdict && { verdict }), ...(theme && { theme }) });
}
