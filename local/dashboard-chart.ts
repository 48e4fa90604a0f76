// A time series chart as SVG, drawn on the server: no script is needed to look at it.
import escapeHtml from 'escape-html';

export interface Series {
  readonly label: string;
  readonly color: string;
  readonly axis: 'left' | 'right';
  /** Between two points farther apart than this, in ms, something is missing. */
  readonly periodMs: number;
  /** Ascending in time. */
  readonly points: readonly { readonly at: number; readonly value: number }[];
}

export interface Axis {
  readonly min?: number;
  readonly max?: number;
  readonly label?: string;
}

export interface Limit {
  readonly value: number;
  readonly label: string;
  readonly color: string;
  readonly axis: 'left' | 'right';
}

export interface Chart {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly from: number;
  readonly to: number;
  readonly left: Axis;
  readonly right: Axis;
  readonly series: readonly Series[];
  readonly limits: readonly Limit[];
}

/** Steps of 1, 2 or 5 that cover a range in about so many parts. */
export function niceTicks(min: number, max: number, parts: number): number[] {
  const span = max - min || 1;
  const rough = span / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough;
  const first = Math.floor(min / step);
  const last = Math.ceil(max / step - 1e-9);
  // Whole multiples, because adding up steps gathers their rounding.
  return Array.from({ length: Math.max(last - first, 1) + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

export const shownNumber = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 10_000) return value.toLocaleString('en-GB', { maximumFractionDigits: 0 });
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value * 10) / 10);
  return String(Number(value.toPrecision(3)));
};

interface Scale {
  readonly ticks: readonly number[];
  y(value: number): number;
}

const margin = { top: 10, right: 12, bottom: 22, left: 46 };

function scaleOf(chart: Chart, side: 'left' | 'right'): Scale | undefined {
  const values = chart.series
    .filter(({ axis }) => axis === side)
    .flatMap(({ points }) => points.map(({ value }) => value));
  const limits = chart.limits.filter(({ axis }) => axis === side).map(({ value }) => value);
  if (values.length === 0 && (side === 'right' || limits.length === 0)) return undefined;
  const { min, max } = chart[side];
  const all = [...values, ...limits];
  const low = min ?? Math.min(...all);
  const high = max ?? Math.max(...all, low);
  // A line at the very top would lie on the frame.
  const room = max === undefined ? (high - low) * 0.08 : 0;
  const ticks = niceTicks(low, high + room || 1, 4);
  const [bottom = 0, top = 1] = [ticks[0], ticks.at(-1)];
  const inner = chart.height - margin.top - margin.bottom;
  return {
    ticks,
    y: (value) => margin.top + inner * (1 - (value - bottom) / (top - bottom)),
  };
}

const fixed = (value: number): string => value.toFixed(1);

/** Points that follow each other without a gap; each run is one line. */
function runs({ points, periodMs }: Series): Series['points'][] {
  const found: { at: number; value: number }[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    if (point.at - last > periodMs * 2.5) found.push([]);
    found.at(-1)?.push(point);
    last = point.at;
  }
  return found;
}

const minute = 60_000;
const steps = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 10_080].map(
  (minutes) => minutes * minute,
);

/** When, and what is written there: the time of day, or the day where days pass. */
export function timeTicks(from: number, to: number, atMost: number): [at: number, text: string][] {
  const step = steps.find((one) => (to - from) / one <= atMost) ?? steps.at(-1) ?? minute;
  const ticks: [number, string][] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    const iso = new Date(at).toISOString();
    const midnight = iso.slice(11, 16) === '00:00';
    ticks.push([at, midnight ? iso.slice(5, 10) : iso.slice(11, 16)]);
  }
  return ticks;
}

function axisSvg(scale: Scale, side: 'left' | 'right', right: number): string {
  const grid = (y: string): string =>
    side === 'left'
      ? `<line class="grid" x1="${margin.left}" x2="${right}" y1="${y}" y2="${y}"/>`
      : '';
  const [x, anchor] = side === 'left' ? [margin.left - 7, 'end'] : [right + 7, 'start'];
  return scale.ticks
    .map((tick) => {
      const y = fixed(scale.y(tick));
      return `${grid(y)}<text x="${x}" y="${y}" dy="3.5" text-anchor="${anchor}">${shownNumber(tick)}</text>`;
    })
    .join('');
}

interface Frame {
  readonly right: number;
  readonly scales: { readonly left: Scale | undefined; readonly right: Scale | undefined };
  x(at: number): number;
}

/** When it was and how much, for who points at a dot. */
const said = (label: string, { at, value }: Series['points'][number]): string =>
  `${label}: ${shownNumber(value)}, ${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

function seriesSvg(series: Series, { scales, x }: Frame): string {
  const scale = scales[series.axis];
  if (!scale) return '';
  const color = escapeHtml(series.color);
  const place = ({ at, value }: Series['points'][number]) =>
    [fixed(x(at)), fixed(scale.y(value))] as const;
  const lines = runs(series);
  // A lone point has no line; of many, dots would hide it.
  const dotted = series.points.length <= 120 ? lines : lines.filter((run) => run.length === 1);
  const drawn = lines.map(
    (run) =>
      `<polyline fill="none" stroke="${color}" stroke-width="1.75" stroke-linejoin="round" points="${run.map((point) => place(point).join(',')).join(' ')}"/>`,
  );
  const dots = dotted.flat().map((point) => {
    const [cx, cy] = place(point);
    return `<circle cx="${cx}" cy="${cy}" r="2.2" fill="${color}"><title>${escapeHtml(said(series.label, point))}</title></circle>`;
  });
  return [...drawn, ...dots].join('');
}

function limitSvg({ value, label, color, axis }: Limit, { scales, right }: Frame): string {
  const scale = scales[axis];
  if (!scale) return '';
  const y = fixed(scale.y(value));
  const words = escapeHtml(`${label} ${shownNumber(value)}`.trim());
  return `<line x1="${margin.left}" x2="${right}" y1="${y}" y2="${y}" stroke="${escapeHtml(color)}" stroke-width="1.25" stroke-dasharray="5 4"/><text class="limit" x="${margin.left + 6}" y="${y}" dy="-4">${words}</text>`;
}

function spoken({ title, series }: Chart): string {
  const each = series.map(({ label, points }) => {
    const last = points.at(-1);
    return `${label} ${last ? shownNumber(last.value) : 'without data'}`;
  });
  return escapeHtml(`${title}: ${each.join(', ')}`);
}

/** The chart, readable in light and dark by the classes that the page styles. */
export function chartSvg(chart: Chart): string {
  const { width, height, from, to, series } = chart;
  const scales = { left: scaleOf(chart, 'left'), right: scaleOf(chart, 'right') };
  const right = width - (scales.right ? margin.left : margin.right);
  const bottom = height - margin.bottom;
  const x = (at: number): number =>
    margin.left + ((at - from) / (to - from)) * (right - margin.left);
  const frame = { right, scales, x };
  const axes = (['left', 'right'] as const).flatMap((side) => {
    const scale = scales[side];
    return scale ? [axisSvg(scale, side, right)] : [];
  });
  const times = timeTicks(from, to, Math.max(2, Math.floor(width / 90))).map(
    ([at, text]) =>
      `<text x="${fixed(x(at))}" y="${height - 6}" text-anchor="middle">${text}</text>`,
  );
  const empty = series.every(({ points }) => points.length === 0)
    ? `<text class="empty" x="${fixed((margin.left + right) / 2)}" y="${fixed((margin.top + bottom) / 2)}" text-anchor="middle">no data yet</text>`
    : '';
  const floor = `<line class="grid" x1="${margin.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`;
  const drawn = [
    ...axes,
    floor,
    ...times,
    ...chart.limits.map((limit) => limitSvg(limit, frame)),
    ...series.map((one) => seriesSvg(one, frame)),
    empty,
  ];
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${spoken(chart)}">${drawn.join('')}</svg>`;
}
