// Every metric that a dashboard or an alarm names, and whether anything was ever measured of it.
import {
  type CloudWatchClient,
  GetDashboardCommand,
  GetMetricStatisticsCommand,
  paginateDescribeAlarms,
  paginateListDashboards,
} from '@aws-sdk/client-cloudwatch';

interface NamedMetric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** `["Slipway", "PredictionPsi", "Model", "churn", {…}]`, where "." repeats what the row before says. */
function readRow(row: readonly unknown[], before: readonly string[]): string[] {
  const texts = row.filter((value): value is string => typeof value === 'string');
  return texts.map((text, i) => (text === '.' ? (before[i] ?? text) : text));
}

function metricsOfWidget(rows: readonly (readonly unknown[])[], model: string): NamedMetric[] {
  const found: NamedMetric[] = [];
  let before: string[] = [];
  for (const row of rows) {
    // An expression names others by their ids.
    if (row.length === 1 && typeof row[0] === 'object') continue;
    before = readRow(row, before);
    const [namespace = '', name = '', ...pairs] = before;
    const dimensions: Record<string, string> = {};
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      dimensions[pairs[i] ?? ''] = (pairs[i + 1] ?? '').replaceAll('__model__', model);
    }
    found.push({ namespace, name, dimensions });
  }
  return found;
}

async function ofDashboards(cloudwatch: CloudWatchClient, model: string): Promise<NamedMetric[]> {
  const found: NamedMetric[] = [];
  for await (const page of paginateListDashboards({ client: cloudwatch }, {})) {
    for (const { DashboardName } of page.DashboardEntries ?? []) {
      const { DashboardBody = '{}' } = await cloudwatch.send(
        new GetDashboardCommand({ DashboardName }),
      );
      const { widgets = [] } = JSON.parse(DashboardBody) as {
        widgets?: { properties: { metrics?: unknown[][] } }[];
      };
      found.push(
        ...widgets.flatMap(({ properties }) => metricsOfWidget(properties.metrics ?? [], model)),
      );
    }
  }
  return found;
}

async function ofAlarms(cloudwatch: CloudWatchClient): Promise<NamedMetric[]> {
  const found: NamedMetric[] = [];
  for await (const { MetricAlarms } of paginateDescribeAlarms({ client: cloudwatch }, {})) {
    for (const { Namespace = '', MetricName = '', Dimensions = [] } of MetricAlarms ?? []) {
      const dimensions = Dimensions.map(({ Name = '', Value = '' }) => [Name, Value] as const);
      found.push({
        namespace: Namespace,
        name: MetricName,
        dimensions: Object.fromEntries(dimensions),
      });
    }
  }
  return found;
}

async function samples(
  cloudwatch: CloudWatchClient,
  { namespace, name, dimensions }: NamedMetric,
): Promise<number> {
  const { Datapoints } = await cloudwatch.send(
    new GetMetricStatisticsCommand({
      Namespace: namespace,
      MetricName: name,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      StartTime: new Date(Date.now() - 3 * 3_600_000),
      EndTime: new Date(Date.now() + 60_000),
      Period: 3_600,
      Statistics: ['SampleCount'],
    }),
  );
  return (Datapoints ?? []).reduce((sum, { SampleCount = 0 }) => sum + SampleCount, 0);
}

/** `<namespace> <metric>` of each that is named, and how many samples there are of it. */
export async function namedMetrics(
  cloudwatch: CloudWatchClient,
  model: string,
): Promise<ReadonlyMap<string, number>> {
  const named = [...(await ofDashboards(cloudwatch, model)), ...(await ofAlarms(cloudwatch))];
  const counts = new Map<string, number>();
  for (const metric of named) {
    const key = `${metric.namespace} ${metric.name}`;
    counts.set(key, (counts.get(key) ?? 0) + (await samples(cloudwatch, metric)));
  }
  return counts;
}
