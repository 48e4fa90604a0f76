import type { Command } from 'commander';
import type { Run } from '../../core/registry/records.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import type { Deployment } from '../deployment.ts';
import { approvalAdvice, because } from '../describe-ledger.ts';
import { describeWaits, waitsOf } from '../describe-waits.ts';
import { enteredStates } from '../execution-history.ts';
import { parityLine } from '../parity/describe-parity.ts';
import { executionOf } from '../runs.ts';
import { columns, styled } from '../terminal.ts';

async function currentStep(deployment: Deployment, model: string, runId: string) {
  const events = await executionOf(deployment.model(model), runId).history();
  const state = enteredStates(events).findLast(({ type }) => type === 'Task');
  return state && { step: state.name, since: state.enteredAt.toISOString() };
}

async function statusOf(deployment: Deployment, model: string) {
  const [head, held, runs, entries, retraining] = await Promise.all([
    deployment.ledger.head(model),
    deployment.runLock.read(model),
    deployment.registry.listRuns(model, 5),
    deployment.ledger.entries(model),
    deployment.retraining.read(model),
  ]);
  const lock = held?.lock;
  const since = entries.findLast(({ state }) => state === 'live')?.at;
  const parity =
    head.live === undefined ? undefined : await deployment.parity.newest(model, head.live);
  const retired = head.retired && entries.findLast(({ state }) => state === 'retired');
  return {
    model,
    live: head.live === undefined ? null : { version: head.live, since: since ?? null },
    /** Of the live version with its notebook. */
    parity: parity ?? null,
    retired: retired || null,
    staged: head.staged ?? null,
    lock: lock
      ? {
          runId: lock.runId,
          phase: lock.phase,
          since: lock.acquiredAt,
          quietUntil: lock.phase === 'quiet' ? lock.quietUntil : null,
          dirty: lock.next !== undefined,
          next: lock.next?.runId ?? null,
          ...(await currentStep(deployment, model, lock.runId)),
        }
      : null,
    retraining: waitsOf(retraining?.state, new Date().toISOString()),
    runs,
  };
}
type Status = Awaited<ReturnType<typeof statusOf>>;

function activity({ lock }: Status): string[] {
  if (!lock) return ['  idle: no run is going on'];
  const what =
    lock.phase === 'quiet'
      ? `waits until ${lock.quietUntil} for more files`
      : `is at ${lock.step ?? 'its start'} since ${lock.since}`;
  return [
    `  run ${lock.runId} ${what}`,
    ...(lock.dirty ? [`  more was dropped meanwhile: run ${lock.next} follows`] : []),
  ];
}

const runRow = ({ runId, status, outcome, version, startedAt, trigger }: Run): string[] => [
  `  ${runId}`,
  outcome ?? status,
  version === undefined ? '' : `v${version}`,
  startedAt,
  `${trigger.kind} by ${trigger.by}`,
];

function standing({ live, retired }: Status): string {
  if (retired) return `retired, ${because(retired)}`;
  return live ? `version ${live.version} is live since ${live.since}` : 'no version is live yet';
}

function describe(status: Status): string[] {
  const { staged } = status;
  return [
    `${styled('bold', status.model)}: ${standing(status)}${staged === null ? '' : `; version ${staged} is staged`}`,
    // While its run goes on, a version is staged on its way to live.
    ...(staged === null || status.lock ? [] : approvalAdvice(status.model, staged)),
    ...(status.live ? [`  ${parityLine(status.model, status.parity ?? undefined)}`] : []),
    ...activity(status),
    ...describeWaits(status.retraining, new Date().toISOString()),
    ...(status.runs.length > 0
      ? columns([
          ['  run', 'outcome', 'version', 'started', 'asked for'],
          ...status.runs.map(runRow),
        ])
      : ['  no run so far; start one with `slipway drop`']),
  ];
}

export const statusCommand = (): Command =>
  deployedCommand({
    usage: 'status [model]',
    description: 'what is live, what is running or waiting, the last runs',
    examples: ['slipway status', 'slipway status flight-delay --json'],
  }).action((model: string | undefined, options: Common) =>
    run(options, async ({ deployment, terminal }) => {
      const names = model === undefined ? deployment.models : [deployment.model(model).name];
      const statuses = await Promise.all(names.map((name) => statusOf(deployment, name)));
      terminal.result(
        model === undefined ? statuses : statuses[0],
        statuses.flatMap((status, i) => [...(i > 0 ? [''] : []), ...describe(status)]),
      );
      return undefined;
    }),
  );
