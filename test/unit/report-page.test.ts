import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  reportPage,
  reportPageKey,
  reportWidget,
  wholeHistogram,
} from '../../core/monitoring/report-page.ts';
import { aDriftReport } from '../builders/drift-report.ts';

const verdict = [
  'v4 REJECTED; v3 still live (healthy). No action tonight.',
  'FAIL  production  auc',
];

describe("a model's page", () => {
  const report = aDriftReport(true, { owner: 'the delay team' });
  const page = reportPage({ report, verdict, statusLines: ['1,204 of 5,000 labels'] });

  it('says what is live, what drifted and by how much, how good it is, and whose it is', () => {
    for (const part of [
      'version 3',
      'of 2 watched features drifted',
      report.worst?.psi.toFixed(3),
      'the delay team',
      'v4 REJECTED; v3 still live',
      '1,204 of 5,000 labels',
      '2,400 of 3,600 predictions have a label (66.7 %)',
      '0.710',
    ]) {
      expect(page).toContain(part);
    }
  });

  it('has a number beside every bar', () => {
    const rows = page.match(/<div class="bar before".*?<\/tr>/g) ?? [];
    expect(rows.length).toBeGreaterThan(30);
    for (const row of rows) {
      expect(row.match(/<td class="number[^"]*">\d+\.\d %<\/td>/g)).toHaveLength(2);
    }
  });

  it('opens what drifted, first, and leaves the rest closed', () => {
    const opened = [...page.matchAll(/<details( open)?><summary><b>(\w+)<\/b>/g)].map(
      ([, open, name]) => [name, open !== undefined],
    );
    const drifted = report.features
      .filter(({ status }) => status === 'drifted')
      .map(({ name }) => name);
    const rest = report.features.map(({ name }) => name).filter((name) => !drifted.includes(name));
    expect(opened).toEqual([
      ...drifted.map((name) => [name, true]),
      ...rest.map((name) => [name, false]),
      ['prediction', true],
    ]);
  });

  it('is one file that loads nothing and runs nothing', () => {
    expect(page.match(/<script|<link|<img|src=|url\(|javascript:|\son\w+=/gi)).toBeNull();
    expect(page.startsWith('<!doctype html>')).toBe(true);
  });

  it('shows what people wrote as text', () => {
    const evil = '<img src=x onerror="alert(1)">&\'';
    const [feature, ...others] = report.features;
    const injected = {
      ...report,
      model: evil,
      policy: { ...report.policy, owner: evil },
      worst: { feature: evil, psi: 1 },
      features: [
        { ...feature, name: evil, text: evil, bars: [{ label: evil, reference: 1, current: 1 }] },
        ...others,
      ] as typeof report.features,
      quality: { ...report.quality, text: evil },
    };
    const html = reportPage({ report: injected, verdict: [evil], statusLines: [evil] });
    expect(html).not.toContain('<img');
    expect(html).not.toContain('onerror="');
    expect(html.match(/&lt;img src=x onerror=&quot;/g)?.length).toBeGreaterThanOrEqual(8);
  });

  it('is as dark as a dashboard asks, and otherwise as its reader wishes', () => {
    expect(reportWidget({ report, theme: 'dark' })).toContain('class="slipway-report dark"');
    expect(page).toContain('class="slipway-report auto"');
  });

  it('says that nothing drifted, or that there was too little to judge', () => {
    expect(reportPage({ report: aDriftReport(false) })).toContain(
      'none of 2 watched features drifted',
    );
    const few = reportPage({ report: aDriftReport(false, { minimumRows: 10_000 }) });
    expect(few).toContain('too few predictions to judge');
    expect(few).toContain('not enough data');
  });

  it('lies beside the report', () => {
    expect(reportPageKey('reports/m/drift/20261125T140000Z.json')).toBe(
      'reports/m/drift/20261125T140000Z.html',
    );
  });
});

describe('a histogram', () => {
  const weights = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 2, maxLength: 60 });

  it('adds up to all rows on each side, however many values were left out', () => {
    fc.assert(
      fc.property(weights, weights, fc.integer({ min: 1, max: 60 }), (before, now, kept) => {
        const [n, m] = [before, now].map((all) => all.reduce((sum, one) => sum + one, 0)) as [
          number,
          number,
        ];
        fc.pre(n > 0 && m > 0 && before.length === now.length);
        const bars = before
          .map((one, i) => ({ label: `${i}`, reference: one / n, current: (now[i] ?? 0) / m }))
          .sort((a, b) => b.reference + b.current - a.reference - a.current)
          .slice(0, kept);
        const shown = wholeHistogram(bars);
        for (const side of ['reference', 'current'] as const) {
          if (bars.every((bar) => bar[side] === 0)) continue;
          const sum = shown.reduce((total, bar) => total + bar[side], 0);
          expect(sum).toBeCloseTo(1, 5);
        }
      }),
    );
  });

  it('of a report adds up too', () => {
    const { features, prediction } = aDriftReport(true);
    for (const { bars } of [...features, prediction]) {
      for (const side of ['reference', 'current'] as const) {
        const sum = wholeHistogram(bars).reduce((total, bar) => total + bar[side], 0);
        expect(sum).toBeCloseTo(1, 5);
      }
    }
  });
});
