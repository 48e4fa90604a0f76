import escapeHtml from 'escape-html';
import type { Drift, DriftBar, DriftReport, FeatureDrift, Quality } from './drift-report.ts';
import { reportStyle } from './report-style.ts';

export interface ReportPage {
  readonly report: DriftReport;
  /** What the gate said last: a text for people, a line each. */
  readonly verdict?: readonly string[];
  /** What goes on besides: what runs, what waits. */
  readonly statusLines?: readonly string[];
  /** Of who reads it; by default the page follows the reader's setting. */
  readonly theme?: 'light' | 'dark';
}

type Status = Drift['status'] | Quality['status'];
const words: Record<Status, string> = {
  ok: '✓ ok',
  drifted: '▲ drifted',
  dropped: '▲ dropped',
  insufficient_data: '– not enough data',
};
const statusHtml = (status: Status): string =>
  `<span class="status ${status}">${words[status]}</span>`;

const text = (value: unknown): string => escapeHtml(String(value));
const count = (value: number): string => value.toLocaleString('en-GB');
const share = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : `${(value * 100).toFixed(1)} %`;
const measure = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : value.toFixed(3);
const pValue = (value: number | undefined): string => {
  if (value === undefined) return '–';
  return value < 0.001 ? '&lt; 0.001' : value.toFixed(3);
};
/** 2026-11-25 14:07 UTC */
const instant = (iso: string): string => text(`${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`);

/** The bars of a histogram; what it leaves out as one more, so that each side adds up to all rows. */
export function wholeHistogram(bars: readonly DriftBar[]): DriftBar[] {
  if (bars.length === 0) return [];
  const left = (side: 'reference' | 'current'): number => {
    const shown = bars.reduce((sum, bar) => sum + bar[side], 0);
    // A side without rows has no bars at all.
    return shown === 0 ? 0 : Math.max(0, 1 - shown);
  };
  const others = { label: 'all others', reference: left('reference'), current: left('current') };
  const rounding = 1e-6;
  const isLeft = others.reference > rounding || others.current > rounding;
  return isLeft ? [...bars, others] : [...bars];
}

function barRow({ label, reference, current }: DriftBar, longest: number): string {
  const width = (value: number): string =>
    `width:${longest === 0 ? 0 : ((value / longest) * 100).toFixed(2)}%`;
  return `<tr><td class="label" title="${text(label)}">${text(label)}</td><td><div class="bar before" style="${width(reference)}"></div><div class="bar now" style="${width(current)}"></div></td><td class="number quiet">${share(reference)}</td><td class="number">${share(current)}</td></tr>`;
}

function histogramHtml(bars: readonly DriftBar[]): string {
  const rows = wholeHistogram(bars);
  if (rows.length === 0) return '<p class="quiet">There is nothing to show yet.</p>';
  const longest = Math.max(...rows.flatMap(({ reference, current }) => [reference, current]));
  return `<table class="bars"><thead><tr><th>value</th><th></th><th class="number">training</th><th class="number">now</th></tr></thead><tbody>${rows.map((row) => barRow(row, longest)).join('')}</tbody></table>`;
}

function featureRow(name: string, drift: Drift, note: string): string {
  const { shape, missing, rows, status } = drift;
  const moved = missing ? `${share(missing.reference)} → ${share(missing.current)}` : '–';
  const remark = note === '' ? '' : ` <span class="quiet">${text(note)}</span>`;
  return `<tr><td>${text(name)}${remark}</td><td>${statusHtml(status)}</td><td class="number">${measure(shape?.psi)}</td><td class="number">${pValue(shape?.adjustedPValue)}</td><td class="number wide">${moved}</td><td class="number wide">${count(rows.current)}</td></tr>`;
}

const note = ({ alarmed }: FeatureDrift): string => (alarmed ? '' : 'calendar, not alarmed');

function tableHtml({ features, prediction }: DriftReport): string {
  const head = `<thead><tr><th>feature</th><th>status</th><th class="number">PSI</th><th class="number">adjusted p</th><th class="number wide">missing</th><th class="number wide">rows now</th></tr></thead>`;
  const rows = features.map((feature) => featureRow(feature.name, feature, note(feature)));
  return `<table>${head}<tbody>${rows.join('')}${featureRow('prediction', prediction, 'against the holdout')}</tbody></table>`;
}

function detailsHtml(name: string, drift: Drift, open: boolean): string {
  return `<details${open ? ' open' : ''}><summary><b>${text(name)}</b>${statusHtml(drift.status)} <span class="quiet">${text(drift.text)}</span></summary>${histogramHtml(drift.bars)}</details>`;
}

function qualityHtml({ quality }: DriftReport): string {
  const better =
    quality.value === null
      ? ''
      : `<p>${text(quality.metric)} <b>${measure(quality.value)}</b> <span class="quiet">± ${measure(quality.standardError)} (standard error)</span>, on the holdout <b>${measure(quality.reference)}</b></p>`;
  return `<h2>Quality</h2><p>${statusHtml(quality.status)} <span class="quiet">${text(quality.text)}</span></p>${better}<p class="quiet">${count(quality.labels)} of ${count(quality.predictions)} predictions have a label (${share(quality.coverage)}), ${instant(quality.window.from)} to ${instant(quality.window.to)}.</p>`;
}

function factsHtml({ version, rows, policy, worst, window, unreadable, quality }: DriftReport) {
  const facts: (readonly [string, string, string?])[] = [
    ['live', `version ${version}`],
    ['predictions', count(rows), `${policy.minimumRows} are needed`],
    [
      'largest PSI',
      worst ? measure(worst.psi) : '–',
      worst ? `${text(worst.feature)}; drift from ${policy.psiThreshold}` : undefined,
    ],
    [text(quality.metric), measure(quality.value), `holdout ${measure(quality.reference)}`],
    ['window', `${policy.windowHours} h`, `from ${instant(window.from)}`],
    ...(unreadable > 0 ? [['unreadable lines', count(unreadable)] as const] : []),
    ...(policy.owner === undefined ? [] : [['owner', text(policy.owner)] as const]),
  ];
  const entries = facts.map(
    ([term, value, more]) =>
      `<div><dt>${term}</dt><dd>${value}${more === undefined ? '' : `<small>${more}</small>`}</dd></div>`,
  );
  return `<dl>${entries.join('')}</dl>`;
}

const linesHtml = (title: string, lines: readonly string[] = []): string =>
  lines.length === 0 ? '' : `<h2>${title}</h2><pre>${text(lines.join('\n'))}</pre>`;

function summary({ status, drifted, features }: DriftReport): string {
  const watched = features.filter(({ alarmed }) => alarmed).length;
  if (status === 'drifted') return `${drifted.length} of ${watched} watched features drifted`;
  if (status === 'ok') return `none of ${watched} watched features drifted`;
  return 'too few predictions to judge';
}

/** A drift report as a piece of HTML without scripts, as a dashboard's custom widget shows it. */
export function reportWidget({ report, verdict, statusLines, theme }: ReportPage): string {
  const { model, checkedAt, status, features, prediction } = report;
  // What drifted is what a reader came for.
  const order = [...features].sort(
    (a, b) => Number(b.status === 'drifted') - Number(a.status === 'drifted'),
  );
  const histograms = [
    ...order.map((one) => detailsHtml(one.name, one, one.status === 'drifted')),
    detailsHtml('prediction', prediction, true),
  ];
  return `<style>${reportStyle}</style><article class="slipway-report ${theme ?? 'auto'}"><h1>${text(model)}</h1><p>${statusHtml(status)} <span class="quiet">${text(summary(report))}; checked ${instant(checkedAt)}</span></p>${factsHtml(report)}${linesHtml('Now', statusLines)}${linesHtml('The gate’s last word', verdict)}<h2>Features</h2>${tableHtml(report)}<h2>Histograms</h2><p class="quiet"><span class="key before"></span>training rows <span class="key now"></span>what is asked now, as shares of the rows that have a value</p>${histograms.join('')}${qualityHtml(report)}</article>`;
}

/** A sentence in the place of a report. */
export const messageWidget = (message: string, theme?: ReportPage['theme']): string =>
  `<style>${reportStyle}</style><article class="slipway-report ${theme ?? 'auto'}"><p>${text(message)}</p></article>`;

/** The same as one self-contained page. */
export const reportPage = (page: ReportPage): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark"><title>${text(page.report.model)}: ${text(summary(page.report))}</title><style>body{margin:0;background:#fff}@media (prefers-color-scheme:dark){body{background:#14191d}}</style></head><body>${reportWidget(page)}</body></html>\n`;

/** Beside the report's JSON. */
export const reportPageKey = (reportKey: string): string => reportKey.replace(/\.json$/, '.html');
