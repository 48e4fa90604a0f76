import type { Command } from 'commander';
import { newestDriftReport } from '../../adapters/s3-drift-reports.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { Drift, DriftReport } from '../../core/monitoring/drift-report.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { columns, styled } from '../terminal.ts';

/** @throws CommandError before the first. */
async function lastReport(data: S3Objects, model: string): Promise<DriftReport> {
  const report = await newestDriftReport(data, model, new Date());
  if (report) return report;
  throw new CommandError(
    `there is no drift report of ${model} yet: the first comes with the first check after a version with a profile is live`,
  );
}

const number = (value: number | undefined): string =>
  value === undefined ? '–' : value.toFixed(4);
const share = (value: number | undefined): string =>
  value === undefined ? '–' : `${(value * 100).toFixed(1)} %`;

/** What drifted is not always the shape, whose PSI the table shows first. */
const isMissingShare = ({ shape, status }: Drift, policy: DriftReport['policy']): boolean =>
  status === 'drifted' &&
  !(shape && shape.psi >= policy.psiThreshold && shape.adjustedPValue <= policy.significance);

function row(
  name: string,
  drift: Drift,
  alarmed: boolean,
  policy: DriftReport['policy'],
): string[] {
  const { shape, missing, rows, status } = drift;
  const told = isMissingShare(drift, policy) ? `${status} (missing share)` : status;
  return [
    name,
    alarmed ? told : `${told} (calendar, not alarmed)`,
    number(shape?.psi),
    shape ? shape.adjustedPValue.toPrecision(2) : '–',
    number(shape?.kolmogorovSmirnov?.d),
    `${share(missing?.reference)} → ${share(missing?.current)}`,
    String(rows.current),
  ];
}

/** Where the histogram changed most, or that it is the missing values which did. */
function change(name: string, drift: Drift, policy: DriftReport['policy']): string[] {
  const { bars, missing } = drift;
  if (missing && isMissingShare(drift, policy)) {
    return [`  ${name}: missing: ${share(missing.reference)} → ${share(missing.current)}`];
  }
  const moved = bars
    .map((bar) => ({ ...bar, by: bar.current - bar.reference }))
    .sort((a, b) => Math.abs(b.by) - Math.abs(a.by))
    .slice(0, 3)
    .map((bar) => `${bar.label}: ${share(bar.reference)} → ${share(bar.current)}`);
  return [`  ${name}: ${moved.join(', ')}`];
}

function describeQuality({ quality }: DriftReport): string[] {
  const { status, text, labels, predictions, coverage } = quality;
  const of = coverage === null ? '' : ` (${share(coverage)} of ${predictions} predictions)`;
  return ['', `quality: ${status}: ${text}`, `  ${labels} labels${of}`];
}

/** A report as lines for people. */
export function describeDrift(report: DriftReport): string[] {
  const { model, version, status, window, rows, features, prediction, policy, unreadable } = report;
  const moved = [
    ...features.filter((feature) => feature.status === 'drifted'),
    ...(prediction.status === 'drifted' ? [{ name: 'prediction', ...prediction }] : []),
  ];
  return [
    `${styled('bold', model)} v${version}: ${status}${report.drifted.length > 0 ? ` (${report.drifted.join(', ')})` : ''}`,
    `  ${rows} predictions from ${window.from} to ${window.to}; at least ${policy.minimumRows} are needed, drift is PSI ≥ ${policy.psiThreshold}`,
    ...(unreadable > 0 ? [`  ${unreadable} lines of the prediction log could not be read`] : []),
    '',
    ...columns([
      ['feature', 'status', 'PSI', 'adjusted p', 'KS', 'missing', 'rows'],
      ...features.map((feature) => row(feature.name, feature, feature.alarmed, policy)),
      row('(prediction)', prediction, true, policy),
    ]),
    ...describeQuality(report),
    ...(moved.length > 0 ? ['', 'changed most:'] : []),
    ...moved.flatMap((one) => change(one.name, one, policy)),
  ];
}

export const driftCommand = (): Command =>
  deployedCommand({
    usage: 'drift <model>',
    description: 'the last comparison of what a model is asked with what it was trained on',
    examples: ['slipway drift flight-delay', 'slipway drift flight-delay --env prod --json'],
  }).action((model: string, options: Common) =>
    run(options, async ({ deployment, terminal }) => {
      const report = await lastReport(deployment.data, deployment.model(model).name);
      terminal.result(report, describeDrift(report));
      return undefined;
    }),
  );
