import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chosenValues, metricLines, widgetsWith } from '../../local/dashboard-body.ts';
import { chartSvg, niceTicks, type Series, timeTicks } from '../../local/dashboard-chart.ts';
import { markdownHtml } from '../../local/dashboard-widgets.ts';

describe('a dashboard’s variables', () => {
  const body = {
    variables: [
      { type: 'pattern' as const, id: 'model', pattern: '__m__', defaultValue: 'a"b' },
      {
        type: 'property' as const,
        id: 'name',
        property: 'FunctionName',
        values: [{ value: 'f1' }],
      },
    ],
    widgets: [
      {
        type: 'metric',
        properties: {
          title: 'Of __m__',
          metrics: [['AWS/Lambda', 'Errors', 'FunctionName', 'f0', { label: '__m__' }]],
        },
      },
    ],
  };
  const properties = (query: string) =>
    widgetsWith(body, chosenValues(body, new URLSearchParams(query)))[0]?.properties;

  it('are their defaults until somebody chooses', () => {
    expect(properties('')).toEqual({
      title: 'Of a"b',
      metrics: [['AWS/Lambda', 'Errors', 'FunctionName', 'f1', { label: 'a"b' }]],
    });
  });

  it('replace a pattern in all text and the value of a property', () => {
    expect(properties('model=x%24%26&name=f2')).toEqual({
      title: 'Of x$&',
      metrics: [['AWS/Lambda', 'Errors', 'FunctionName', 'f2', { label: 'x$&' }]],
    });
  });
});

describe('the metrics of a widget', () => {
  it('repeat what stands above where they have dots', () => {
    const lines = metricLines([
      ['AWS/EC2', 'CPU', 'Id', 'i-1', 'Zone', 'a', { stat: 'p95' }],
      ['.', 'Disk', '.', '.', '.', 'b'],
      ['...', 'c', { yAxis: 'right' }],
      [{ expression: 'm1 * 2', label: 'twice', id: 'e1' }],
    ]);
    expect(
      lines.map(({ metricName, dimensions }) => [metricName, dimensions.map(({ Value }) => Value)]),
    ).toEqual([
      ['CPU', ['i-1', 'a']],
      ['Disk', ['i-1', 'b']],
      ['Disk', ['i-1', 'c']],
      [undefined, []],
    ]);
    expect(lines[0]?.stat).toBe('p95');
    expect(lines[2]?.yAxis).toBe('right');
    expect(lines[3]).toMatchObject({ expression: 'm1 * 2', label: 'twice' });
  });
});

describe('ticks', () => {
  const bounded = { noNaN: true, noDefaultInfinity: true };
  it('enclose any range with few even steps of 1, 2 or 5', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, ...bounded }),
        fc.double({ min: 1e-4, max: 1e6, ...bounded }),
        (low, span) => {
          const ticks = niceTicks(low, low + span, 4);
          const tolerance = span * 1e-6;
          expect(ticks[0]).toBeLessThanOrEqual(low + tolerance);
          expect(ticks.at(-1)).toBeGreaterThanOrEqual(low + span - tolerance);
          expect(ticks.length).toBeLessThanOrEqual(7);
        },
      ),
    );
  });

  it('of time are few, and name the day at midnight', () => {
    const from = Date.parse('2026-11-24T20:30:00Z');
    expect(timeTicks(from, from + 12 * 3_600_000, 5).map(([, text]) => text)).toEqual([
      '21:00',
      '11-25',
      '03:00',
      '06:00',
    ]);
  });
});

describe('a chart', () => {
  const at = (minutes: number, value: number) => ({ at: minutes * 60_000, value });
  const series = (points: Series['points'], more: Partial<Series> = {}): Series => ({
    label: 'PSI',
    color: '#000',
    axis: 'left',
    periodMs: 60_000,
    points,
    ...more,
  });
  const chart = (...all: Series[]) =>
    chartSvg({
      title: 'T',
      width: 400,
      height: 200,
      from: 0,
      to: 3_600_000,
      left: { min: 0 },
      right: {},
      series: all,
      limits: [{ value: 1, label: 'limit', color: 'red', axis: 'left' }],
    });

  it('breaks its line where points are missing', () => {
    const svg = chart(series([at(1, 0.1), at(2, 0.2), at(30, 0.3), at(31, 0.3)]));
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    expect(svg.match(/<circle/g)).toHaveLength(4);
  });

  it('keeps every point inside its frame', () => {
    const anywhere = fc.array(
      fc.record({
        at: fc.integer({ min: 0, max: 3_600_000 }),
        value: fc.double({ min: 0, max: 1e9, noNaN: true }),
      }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(anywhere, (points) => {
        const svg = chart(series(points.toSorted((a, b) => a.at - b.at)));
        for (const [, cx, cy] of svg.matchAll(/<circle cx="([\d.-]+)" cy="([\d.-]+)"/g)) {
          expect(Number(cx)).toBeGreaterThanOrEqual(0);
          expect(Number(cx)).toBeLessThanOrEqual(400);
          expect(Number(cy)).toBeGreaterThanOrEqual(9.9);
          expect(Number(cy)).toBeLessThanOrEqual(178.1);
        }
      }),
    );
  });

  it('without data says so, and keeps its limit', () => {
    const svg = chart(series([]));
    expect(svg).toContain('no data yet');
    expect(svg).toContain('aria-label="T: PSI without data"');
    expect(svg).toContain('limit 1</text>');
  });
});

describe('markdown', () => {
  it('is headings, words, code and links, and nothing that runs', () => {
    expect(markdownHtml('## A\n`b` **c** [d](https://e)\n[f](javascript:g) <b>')).toBe(
      '<h3>A</h3><p><code>b</code> <b>c</b> <a href="https://e">d</a></p><p>[f](javascript:g) &lt;b&gt;</p>',
    );
  });
});
