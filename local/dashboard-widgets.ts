// The widgets of a CloudWatch dashboard as HTML, with what CloudWatch and Lambda say right now.
import {
  type CloudWatchClient,
  DescribeAlarmsCommand,
  GetMetricDataCommand,
  type MetricAlarm,
  type MetricDataQuery,
} from '@aws-sdk/client-cloudwatch';
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import escapeHtml from 'escape-html';
import { type MetricLine, metricLines, type Widget } from './dashboard-body.ts';
import { type Axis, chartSvg, type Limit, type Series, shownNumber } from './dashboard-chart.ts';

export interface WidgetPlace {
  readonly cloudwatch: CloudWatchClient;
  readonly lambda: LambdaClient;
  readonly dashboardName: string;
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  /** undefined: as the reader's setting is. */
  readonly theme: 'light' | 'dark' | undefined;
}

const palette = ['#2f7dc4', '#d9822b', '#2e9e6b', '#8f6bc9', '#c9486b', '#6f7c87'];
const pointsAtMost = 1_440;

const text = (value: unknown): string => escapeHtml(String(value ?? ''));

/** As wide as asked for, and no narrower than what a chart can show. */
function periodOf(line: MetricLine, widget: Widget, { from, to }: WidgetPlace): number {
  const asked = line.period ?? (widget.properties['period'] as number | undefined) ?? 300;
  const least = Math.ceil((to - from) / 1_000 / pointsAtMost / 60) * 60;
  return Math.max(asked, least);
}

const idOf = ({ id }: MetricLine, at: number): string => id ?? `line${at}`;

function queryOf(
  line: MetricLine,
  at: number,
  widget: Widget,
  place: WidgetPlace,
): MetricDataQuery {
  const { visible = true, label, expression, namespace, metricName, dimensions } = line;
  const shared = { Id: idOf(line, at), ReturnData: visible, ...(label && { Label: label }) };
  if (expression !== undefined) return { ...shared, Expression: expression };
  return {
    ...shared,
    MetricStat: {
      Metric: { Namespace: namespace, MetricName: metricName, Dimensions: [...dimensions] },
      Period: periodOf(line, widget, place),
      Stat: line.stat ?? (widget.properties['stat'] as string | undefined) ?? 'Average',
    },
  };
}

async function seriesOf(widget: Widget, place: WidgetPlace): Promise<Series[]> {
  const lines = metricLines(widget.properties['metrics']);
  if (lines.length === 0) return [];
  const { MetricDataResults = [] } = await place.cloudwatch.send(
    new GetMetricDataCommand({
      MetricDataQueries: lines.map((line, at) => queryOf(line, at, widget, place)),
      StartTime: new Date(place.from),
      EndTime: new Date(place.to),
      ScanBy: 'TimestampAscending',
    }),
  );
  return MetricDataResults.map(({ Id, Label, Timestamps = [], Values = [] }, at) => {
    const line = lines.find((one, index) => idOf(one, index) === Id);
    return {
      label: line?.label ?? Label ?? Id ?? '',
      color: line?.color ?? palette[at % palette.length] ?? '#2f7dc4',
      axis: line?.yAxis ?? 'left',
      periodMs: 1_000 * (line ? periodOf(line, widget, place) : 300),
      points: Timestamps.map((time, i) => ({ at: time.getTime(), value: Values[i] ?? 0 })).sort(
        (a, b) => a.at - b.at,
      ),
    };
  });
}

interface Annotations {
  readonly horizontal?: readonly {
    readonly value?: number;
    readonly label?: string;
    readonly color?: string;
    readonly yAxis?: 'left' | 'right';
  }[];
}

const limitsOf = (widget: Widget): Limit[] =>
  ((widget.properties['annotations'] as Annotations | undefined)?.horizontal ?? []).flatMap(
    ({ value, label = '', color = '#d13212', yAxis = 'left' }) =>
      value === undefined ? [] : [{ value, label, color, axis: yAxis }],
  );

const legend = (series: readonly Series[]): string =>
  `<ul class="legend">${series
    .map(({ label, color, points }) => {
      const last = points.at(-1);
      return `<li><span style="background:${text(color)}"></span>${text(label)} <b>${last ? shownNumber(last.value) : '–'}</b></li>`;
    })
    .join('')}</ul>`;

/** Pixels of a chart for a widget's place among 24 columns of a page of 1,240. */
const pixels = ({ width = 6, height = 6 }: Widget) => ({
  width: Math.round(width * 51 - 40),
  // Without the widget's heading and legend; a page is a little wider than that.
  height: Math.max(120, Math.round((height * 56 - 86) / 1.12)),
});

async function metricHtml(widget: Widget, place: WidgetPlace): Promise<string> {
  const series = await seriesOf(widget, place);
  const { title, view, yAxis } = widget.properties as Record<string, unknown>;
  if (view === 'singleValue') return legend(series);
  const axes = (yAxis ?? {}) as { readonly left?: Axis; readonly right?: Axis };
  const chart = {
    title: String(title ?? ''),
    ...pixels(widget),
    from: place.from,
    to: place.to,
    left: axes.left ?? {},
    right: axes.right ?? {},
    series,
    limits: limitsOf(widget),
  };
  return `${chartSvg(chart)}${legend(series)}`;
}

const stateWords: Readonly<Record<string, string>> = {
  ALARM: '▲ in alarm',
  OK: '✓ ok',
  INSUFFICIENT_DATA: '– not enough data',
};

function alarmHtml(name: string, alarm: MetricAlarm | undefined): string {
  const state = alarm?.StateValue ?? 'none';
  const word = stateWords[state] ?? 'does not exist';
  return `<li class="alarm ${text(state)}" title="${text(alarm?.StateReason)}"><b>${text(word)}</b> ${text(name)}</li>`;
}

async function alarmsHtml(widget: Widget, { cloudwatch }: WidgetPlace): Promise<string> {
  const arns = (widget.properties['alarms'] as string[] | undefined) ?? [];
  const names = arns.map((arn) => arn.replace(/^.*:alarm:/, ''));
  if (names.length === 0) return '';
  const { MetricAlarms = [] } = await cloudwatch.send(
    new DescribeAlarmsCommand({ AlarmNames: names }),
  );
  const known = new Map(MetricAlarms.map((alarm) => [alarm.AlarmName, alarm]));
  return `<ul class="alarms">${names.map((name) => alarmHtml(name, known.get(name))).join('')}</ul>`;
}

/** Headings, paragraphs, code and links; CloudWatch's Markdown has more. */
export function markdownHtml(markdown: string): string {
  const inline = (line: string): string =>
    text(line)
      .replace(/`([^`]+)`/g, '<code>$1</code>')
      .replace(/\*\*([^*]+)\*\*/g, '<b>$1</b>')
      .replace(/\[([^\]]+)\]\((https?:[^)\s]+)\)/g, '<a href="$2">$1</a>');
  return markdown
    .split(/\n+/)
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const heading = line.match(/^(#{1,4})\s+(.*)$/);
      return heading ? `<h3>${inline(heading[2] ?? '')}</h3>` : `<p>${inline(line)}</p>`;
    })
    .join('');
}

async function customHtml(widget: Widget, place: WidgetPlace): Promise<string> {
  const { endpoint, params = {}, title } = widget.properties as Record<string, unknown>;
  const widgetContext = {
    dashboardName: place.dashboardName,
    title,
    params,
    width: (widget.width ?? 6) * 51,
    height: (widget.height ?? 6) * 46,
    timeRange: { mode: 'relative', start: place.from, end: place.to },
    timezone: { label: 'UTC', offsetISO: '+00:00', offsetInMinutes: 0 },
    forms: { all: {} },
    ...(place.theme && { theme: place.theme }),
  };
  const { Payload, FunctionError } = await place.lambda.send(
    new InvokeCommand({
      FunctionName: String(endpoint),
      Payload: Buffer.from(JSON.stringify({ ...(params as object), widgetContext })),
    }),
  );
  const answer: unknown = JSON.parse(Buffer.from(Payload ?? []).toString('utf8') || 'null');
  if (FunctionError) {
    const message = (answer as { errorMessage?: string } | null)?.errorMessage;
    return `<p class="failed">The widget's function failed: ${text(message ?? FunctionError)}</p>`;
  }
  if (typeof answer === 'string') return answer;
  const { markdown } = (answer ?? {}) as { markdown?: string };
  return markdown === undefined
    ? `<pre>${text(JSON.stringify(answer, null, 2))}</pre>`
    : markdownHtml(markdown);
}

const kinds: Readonly<Record<string, (widget: Widget, place: WidgetPlace) => Promise<string>>> = {
  metric: metricHtml,
  alarm: alarmsHtml,
  custom: customHtml,
  text: async ({ properties }) => markdownHtml(String(properties['markdown'] ?? '')),
};

/** A widget in its place. One that fails says so, and leaves the others alone. */
export async function widgetHtml(widget: Widget, place: WidgetPlace): Promise<string> {
  const { x = 0, y = 0, width = 6, height = 6, type, properties } = widget;
  const title = properties['title'];
  const draw = kinds[type];
  const content = draw
    ? await draw(widget, place).catch(
        (error: unknown) =>
          `<p class="failed">This could not be shown: ${text(error instanceof Error ? error.message : error)}</p>`,
      )
    : `<p class="failed">A widget of the type ${text(type)} cannot be shown here.</p>`;
  const heading = title === undefined ? '' : `<h2>${text(title)}</h2>`;
  return `<section class="widget" style="grid-column:${x + 1}/span ${width};grid-row:${y + 1}/span ${height}">${heading}${content}</section>`;
}
