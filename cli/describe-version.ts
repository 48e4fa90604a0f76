// What is said of a version that has just gone live: how good it is, and what to do with it.
import type { Lineage } from '../core/registry/records.ts';
import { columns } from './terminal.ts';

const number = (value: number): string => String(Number(value.toPrecision(4)));

/** The metric on the holdout beside what it is held against; nothing where nobody measured it. */
export function metricLine(metrics: Lineage['metrics'] | undefined): string[] {
  if (!metrics) return [];
  const { baseline, primary, production, value } = metrics;
  const before = production === undefined ? '' : `; live before ${number(production)}`;
  return [`  ${primary} ${number(value)} on the holdout; baseline ${number(baseline)}${before}`];
}

/** What comes next, in order. `environment`: `local` needs no naming. */
export function nextCommands(model: string, environment: string): string[] {
  const env = environment === 'local' ? '' : ` --env ${environment}`;
  return [
    'Next:',
    ...columns([
      ['', ''],
      [`  npx slipway predict ${model} --example${env}`, 'asks it, and shows how callers do'],
      [
        `  npx slipway parity ${model} <predictions.csv> --data <file>${env}`,
        "holds it against the notebook's predictions",
      ],
    ]).slice(1),
  ];
}
