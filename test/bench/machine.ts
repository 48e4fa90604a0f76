// On what it was measured: figures without that say nothing.
import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { loadGenerator } from './load.ts';
import { canPin } from './server-process.ts';

export const machine = () => ({
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  at: new Date().toISOString(),
  pinned: canPin,
  loadGenerator,
  loadAverageBefore: loadavg()[0],
});

export type Machine = ReturnType<typeof machine>;

export const inWords = ({ cpu, cores, pinned, node, commit, at, ...about }: Machine): string =>
  `${cpu}, ${cores} cores; ${pinned ? 'each server alone on one core, load on another' : 'nothing is pinned here: requests/s are of the whole machine'}; load by ${about.loadGenerator}; Node ${node}; commit ${commit}; ${at}; load average before ${about.loadAverageBefore?.toFixed(2)}`;
