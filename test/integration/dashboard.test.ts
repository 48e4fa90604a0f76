import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import {
  CloudWatchClient,
  PutDashboardCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { driftReportKey } from '../../core/monitoring/drift-report.ts';
import { bundleHandler } from '../../lib/runtime/bundle.ts';
import { type DashboardPage, startDashboardPage } from '../../local/dashboard-page.ts';
import { aDriftReport } from '../builders/drift-report.ts';
import { createFunction, createRole, invoke, zip } from './laptop-cloud/functions.ts';
import { clientConfig, useCloud } from './laptop-cloud/harness.ts';

const cloud = useCloud();
let page: DashboardPage;
let data: S3Objects;
let showReport = '';

const get = async (path: string) => {
  const response = await fetch(new URL(path, page.url));
  return { status: response.status, headers: response.headers, html: await response.text() };
};

async function deployShowReport(): Promise<string> {
  const code = readFileSync(join(bundleHandler('monitoring/show-report'), 'index.js'), 'utf8');
  const bucket = 'arn:aws:s3:::dashboard-data';
  const Role = await createRole(cloud(), 'show-report', [
    {
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: 'arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/show-report:*',
    },
    {
      Effect: 'Allow',
      Action: ['s3:GetObject'],
      Resource: [`${bucket}/reports/flight-delay/drift/*`, `${bucket}/reports/flight-delay/gate/*`],
    },
    {
      Effect: 'Allow',
      Action: ['s3:ListBucket'],
      Resource: bucket,
      Condition: {
        StringLike: {
          's3:prefix': ['reports/flight-delay/drift/*', 'reports/flight-delay/gate/*'],
        },
      },
    },
  ]);
  return createFunction(cloud(), 'show-report', '', {
    Code: { ZipFile: zip({ 'index.js': code }) },
    Timeout: 30,
    Role,
    Environment: {
      Variables: {
        DATA_BUCKET: 'dashboard-data',
        MODELS: JSON.stringify(['flight-delay', 'churn']),
      },
    },
  });
}

const dashboardBody = () => ({
  variables: [
    {
      type: 'pattern',
      id: 'model',
      pattern: '__model__',
      inputType: 'select',
      label: 'Model',
      defaultValue: 'flight-delay',
      values: ['flight-delay', 'churn'].map((name) => ({ value: name, label: name })),
    },
  ],
  widgets: [
    {
      type: 'metric',
      width: 12,
      height: 6,
      properties: {
        title: 'Drift',
        period: 60,
        metrics: [
          ['Slipway', 'WorstFeaturePsi', 'Model', '__model__', { stat: 'Maximum', label: 'PSI' }],
          ['.', 'PredictionPsi', '.', '.', { stat: 'Maximum', label: 'predictions' }],
        ],
        annotations: { horizontal: [{ value: 0.2, label: 'drift' }] },
      },
    },
    {
      type: 'alarm',
      y: 6,
      width: 24,
      height: 2,
      properties: {
        alarms: ['one', 'gone'].map(
          (name) => `arn:aws:cloudwatch:us-east-1:000000000000:alarm:__model__-${name}`,
        ),
      },
    },
    {
      type: 'custom',
      y: 8,
      width: 24,
      height: 12,
      properties: { endpoint: showReport, params: { model: '__model__' } },
    },
    { type: 'text', y: 20, properties: { markdown: '# Words\n**strong** <script>x</script>' } },
    { type: 'log', y: 22, properties: {} },
  ],
});

beforeAll(async () => {
  const s3 = new S3Client(clientConfig(cloud()));
  await s3.send(new CreateBucketCommand({ Bucket: 'dashboard-data' }));
  data = s3Objects({ bucket: 'dashboard-data', client: s3 });
  showReport = await deployShowReport();
  const cloudwatch = new CloudWatchClient(clientConfig(cloud()));
  for (const [minutes, Value] of [
    [4, 0.11],
    [3, 0.12],
    [2, 0.44],
  ] as const) {
    await cloudwatch.send(
      new PutMetricDataCommand({
        Namespace: 'Slipway',
        MetricData: [
          {
            MetricName: 'WorstFeaturePsi',
            Dimensions: [{ Name: 'Model', Value: 'flight-delay' }],
            Timestamp: new Date(Date.now() - minutes * 60_000),
            Value,
          },
        ],
      }),
    );
  }
  await cloudwatch.send(
    new PutMetricAlarmCommand({
      AlarmName: 'flight-delay-one',
      Namespace: 'Slipway',
      MetricName: 'Nothing',
      Statistic: 'Sum',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 1,
      ComparisonOperator: 'GreaterThanThreshold',
    }),
  );
  await cloudwatch.send(
    new PutDashboardCommand({
      DashboardName: 'Slipway-test',
      DashboardBody: JSON.stringify(dashboardBody()),
    }),
  );
  await data.putJson(driftReportKey('flight-delay', new Date(0)), {
    ...aDriftReport(false),
    version: 2,
  });
  await data.putJson(driftReportKey('flight-delay', new Date()), aDriftReport(true));
  await data.putJson('reports/flight-delay/gate/run-1.json', { text: ['v2 PASSED its gate'] });
  await data.putJson('reports/flight-delay/gate/run-2.json', { text: ['v4 REJECTED <i>'] });
  page = await startDashboardPage(clientConfig(cloud()));
});
afterAll(() => page.stop());

describe("the dashboard's widget", () => {
  it('shows the newest report of its model and the last verdict, as it is deployed', async () => {
    const { payload } = await invoke(cloud(), 'show-report', {
      model: 'flight-delay',
      widgetContext: { theme: 'dark', params: { model: 'flight-delay' } },
    });
    expect(payload).toContain('version 3');
    expect(payload).not.toContain('version 2');
    expect(payload).toContain('v4 REJECTED &lt;i&gt;');
    expect(payload).toContain('slipway-report dark');
  });

  it('describes itself, and answers for models without a report or unknown ones with a sentence', async () => {
    const html = async (event: object) => (await invoke(cloud(), 'show-report', event)).payload;
    expect(await html({ describe: true })).toContain('### Parameters');
    expect(await html({ model: '../secrets' })).toContain(
      'There is no model &#39;../secrets&#39; here; choose one of flight-delay, churn.',
    );
  });
});

describe('the page of a dashboard', () => {
  it('leads to the one dashboard that there is', async () => {
    const response = await fetch(page.url, { redirect: 'manual' });
    expect(response.headers.get('location')).toBe('/dashboards/Slipway-test');
  });

  it("draws the points of the chosen model's metrics, with the limit, and says them in words", async () => {
    const { html } = await get('/dashboards/Slipway-test');
    const chart = html.match(/<svg[\s\S]*?<\/svg>/)?.[0] ?? '';
    expect(chart.match(/<circle/g)).toHaveLength(3);
    expect(chart).toContain('<title>PSI: 0.44, ');
    expect(chart).toContain('aria-label="Drift: PSI 0.44, predictions without data"');
    expect(chart).toContain('>drift 0.2</text>');
  });

  it('shows alarms by their state, and those that do not exist as such', async () => {
    const { html } = await get('/dashboards/Slipway-test');
    expect(html).toMatch(/class="alarm INSUFFICIENT_DATA"[^>]*><b>[^<]+<\/b> flight-delay-one/);
    expect(html).toMatch(/<b>does not exist<\/b> flight-delay-gone/);
  });

  it('shows what a custom widget answers, and another model when it is chosen', async () => {
    expect((await get('/dashboards/Slipway-test')).html).toContain('v4 REJECTED');
    const churn = (await get('/dashboards/Slipway-test?model=churn')).html;
    expect(churn).not.toContain('v4 REJECTED');
    expect(churn).toContain('no data yet');
    expect(churn).toContain('<a href="?model=churn" aria-current="true">churn</a>');
  });

  it('runs nothing of what it shows, and fails in one widget only', async () => {
    const { html, headers } = await get('/dashboards/Slipway-test');
    expect(html).toContain('<b>strong</b> &lt;script&gt;');
    expect(html).toContain('A widget of the type log cannot be shown here.');
    // churn's reports are not granted to the function here: its widget fails, the page stands.
    expect((await get('/dashboards/Slipway-test?model=churn')).html).toContain(
      "The widget's function failed",
    );
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('answers to the address it printed only, so that no other site can read it', async () => {
    const { hostname, port } = new URL(page.url);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { host: `evil.example:${port}` };
      request({ hostname, port, headers }, (reply) => {
        reply.resume();
        resolve(reply.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(421);
  });

  it('says when there is no such dashboard', async () => {
    expect(await get('/dashboards/other')).toMatchObject({ status: 404 });
  });
});
