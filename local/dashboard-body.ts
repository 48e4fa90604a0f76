// The body of a CloudWatch dashboard, as AWS documents its format, and what a reader chose of it.

export interface Widget {
  readonly type: string;
  readonly x?: number;
  readonly y?: number;
  readonly width?: number;
  readonly height?: number;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface Variable {
  readonly type: 'pattern' | 'property';
  readonly id: string;
  readonly label?: string;
  readonly inputType?: 'input' | 'select' | 'radio';
  /** What is replaced: a regular expression in the widgets' text, or the values of a property. */
  readonly pattern?: string;
  readonly property?: string;
  readonly defaultValue?: string;
  readonly values?: readonly { readonly value: string; readonly label?: string }[];
  readonly visible?: boolean;
}

export interface DashboardBody {
  readonly widgets?: readonly Widget[];
  readonly variables?: readonly Variable[];
}

/** The value of each variable: what was chosen, or its default. */
export const chosenValues = (
  { variables = [] }: DashboardBody,
  asked: URLSearchParams,
): ReadonlyMap<Variable, string> =>
  new Map(
    variables.flatMap((variable) => {
      const value = asked.get(variable.id) ?? variable.defaultValue ?? variable.values?.[0]?.value;
      return value === undefined ? [] : [[variable, value] as const];
    }),
  );

/** A property of the widgets, and a dimension of the metrics, with another value. */
function withProperty(node: unknown, property: string, value: string): unknown {
  if (Array.isArray(node)) {
    return node.map((item, at) =>
      at > 0 && node[at - 1] === property && typeof item === 'string'
        ? value
        : withProperty(item, property, value),
    );
  }
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, inner]) => [
      key,
      key === property && typeof inner === 'string' ? value : withProperty(inner, property, value),
    ]),
  );
}

/** The widgets as they are with the values that were chosen. */
export function widgetsWith(
  { widgets = [] }: DashboardBody,
  values: ReadonlyMap<Variable, string>,
): readonly Widget[] {
  let chosen: unknown = widgets;
  for (const [{ type, pattern, property }, value] of values) {
    if (type === 'pattern' && pattern) {
      const inJson = JSON.stringify(value).slice(1, -1);
      const text = JSON.stringify(chosen).replaceAll(new RegExp(pattern, 'g'), () => inJson);
      chosen = JSON.parse(text);
    } else if (type === 'property' && property) {
      chosen = withProperty(chosen, property, value);
    }
  }
  return chosen as readonly Widget[];
}

interface MetricOptions {
  readonly id?: string;
  readonly label?: string;
  readonly color?: string;
  readonly stat?: string;
  readonly period?: number;
  readonly visible?: boolean;
  readonly yAxis?: 'left' | 'right';
  readonly expression?: string;
}

/** A line of `properties.metrics`, written out. */
export interface MetricLine extends MetricOptions {
  readonly namespace?: string;
  readonly metricName?: string;
  readonly dimensions: readonly { readonly Name: string; readonly Value: string }[];
}

/** `...` stands for all that the line above begins with, `.` for what it has in that place. */
function writtenOut(parts: readonly string[], above: readonly string[]): string[] {
  const dots = parts.indexOf('...');
  const whole =
    dots === -1
      ? parts
      : [...above.slice(0, above.length - (parts.length - dots - 1)), ...parts.slice(dots + 1)];
  return whole.map((part, at) => (part === '.' ? (above[at] ?? '') : part));
}

export function metricLines(metrics: unknown): MetricLine[] {
  const lines: MetricLine[] = [];
  let above: string[] = [];
  for (const line of (metrics as unknown[][] | undefined) ?? []) {
    const last = line.at(-1);
    const options = typeof last === 'object' && last !== null ? (last as MetricOptions) : {};
    const parts = line.filter((part): part is string => typeof part === 'string');
    if (options.expression !== undefined) {
      lines.push({ ...options, dimensions: [] });
      continue;
    }
    above = writtenOut(parts, above);
    const [namespace = '', metricName = '', ...rest] = above;
    const dimensions = rest.flatMap((Name, at) =>
      at % 2 === 0 ? [{ Name, Value: rest[at + 1] ?? '' }] : [],
    );
    lines.push({ ...options, namespace, metricName, dimensions });
  }
  return lines;
}
