import type { Comparison } from '../../core/training/compare-versions.ts';
import type { Verdict } from '../../core/training/verdict.ts';
import type { forceAndRollBack } from './rejected-candidate.ts';
import type { rollOutToTheWest, showQuietEast } from './west-march.ts';

export interface Check {
  readonly what: string;
  readonly passed: boolean;
}

/** What steps 5 to 9 brought back. */
export interface LoopFindings {
  readonly quiet: Awaited<ReturnType<typeof showQuietEast>>;
  readonly west: Awaited<ReturnType<typeof rollOutToTheWest>>;
  readonly comparison: Verdict;
  readonly rejected: Awaited<ReturnType<typeof forceAndRollBack>>;
  /** Where the dashboard's picture is; null where there is no browser to take it. */
  readonly picture: string | null;
}

const comparisonOf = ({ evaluation: { production } }: Verdict): Comparison | null =>
  production.outcome === 'compared' ? production.comparison : null;

/** Candidate against production on the same rows: all of them, then by slice. */
function gains(verdict: Verdict): Record<string, Comparison | null> {
  const { slices } = verdict.evaluation;
  return {
    all: comparisonOf(verdict),
    ...Object.fromEntries(slices.map(({ name, comparison }) => [name, comparison ?? null])),
  };
}

/** The part of demo-report.json about drift, retraining, the gate and the rollback. */
export function loopReport({ quiet, west, comparison, rejected, picture }: LoopFindings) {
  return {
    psi: { quietEast: quiet.psi, afterTheWest: west.psi },
    drift: {
      quietStatus: quiet.status,
      drifted: west.drifted,
      kept: west.wish,
      secondsSinceFirstDriftedRequest: west.seconds,
      requests: west.traffic.requests.length,
    },
    retraining: {
      runId: west.followed.run.runId,
      trigger: west.followed.run.trigger,
      outcome: west.followed.run.outcome ?? west.followed.run.status,
      version: west.followed.run.version ?? null,
      stages: west.followed.seconds,
    },
    gate: { outcome: comparison.outcome, gains: gains(comparison), text: comparison.text },
    rejected: {
      runId: rejected.run.runId,
      version: rejected.forced,
      outcome: rejected.run.outcome ?? null,
      gains: gains(rejected.verdict),
      text: rejected.verdict.text,
      quality: rejected.quality,
      secondsFromOverrideToAlarm: rejected.secondsToAlarm,
      rollback: rejected.rollback,
      history: rejected.history,
    },
    picture,
  };
}
export type LoopReport = ReturnType<typeof loopReport>;

/** What steps 5 to 9 promise. */
export function loopChecks({ quiet, west, comparison, rejected }: LoopFindings): Check[] {
  const { run } = west.followed;
  return [
    { what: 'east March raised no drift', passed: quiet.status === 'ok' },
    { what: 'the west raised a drift alarm', passed: west.drifted.length > 0 },
    {
      what: 'a run that nobody asked for trained after the labels came',
      passed: run.outcome === 'live' && run.trigger.kind !== 'person',
    },
    {
      what: 'the candidate beat production on the same rows',
      passed: comparison.outcome === 'passed' && (comparisonOf(comparison)?.gain ?? 0) > 0,
    },
    {
      what: 'the candidate of shuffled labels was rejected, and the version before stayed',
      passed: rejected.run.outcome === 'rejected' && rejected.forced !== rejected.liveBefore,
    },
    {
      what: 'forced live, it was found out by the quality alarm',
      passed: rejected.quality.forced.status === 'dropped',
    },
    {
      what: 'the rollback went to the version before, under load',
      passed: rejected.rollback.version === rejected.liveBefore,
    },
  ];
}

const number = (value: number | null | undefined): string =>
  typeof value === 'number' ? value.toFixed(4) : '–';
const signed = (value: number): string => `${value >= 0 ? '+' : ''}${value.toFixed(4)}`;

function gainRows(gate: LoopReport['gate'] | LoopReport['rejected']): string[][] {
  return Object.entries(gate.gains).map(([name, found]) => [
    `  ${name}`,
    found
      ? `${number(found.production)} → ${number(found.candidate)} (${signed(found.gain)}, ${signed(found.interval.lower)} to ${signed(found.interval.upper)})`
      : '–',
  ]);
}

/** The same for people, as rows of the table. */
export function loopRows(report: LoopReport): string[][] {
  const { drift, gate, psi, rejected, retraining } = report;
  const spent = drift.secondsSinceFirstDriftedRequest;
  return [
    ['PSI', 'east March → with the west'],
    ...Object.entries(psi.quietEast).map(([name, quiet]) => [
      `  ${name}`,
      `${number(quiet)} → ${number(psi.afterTheWest[name])}`,
    ]),
    [
      'since the first drifted request',
      `alarm ${spent.toAlarm.toFixed(0)} s, labels ${spent.toLabels.toFixed(0)} s, run ${spent.toStart.toFixed(0)} s, live ${spent.toLive.toFixed(0)} s`,
    ],
    [
      'retraining',
      `${retraining.runId}, asked for by ${retraining.trigger.kind}: version ${retraining.version}`,
    ],
    ['gate, on the same rows', gate.outcome],
    ...gainRows(gate),
    ['shuffled labels', `version ${rejected.version} ${rejected.outcome}`],
    ...gainRows(rejected),
    ['forced live', `quality alarm after ${rejected.secondsFromOverrideToAlarm.toFixed(0)} s`],
    [
      'rollback under load',
      `to version ${rejected.rollback.version}; last other answer ${rejected.rollback.seconds.toFixed(2)} s after the ledger's entry`,
    ],
  ];
}
