import type { Command } from 'commander';
import { parseDocument } from '../../core/parse-document.ts';
import type { Run } from '../../core/registry/records.ts';
import { isUserFailure } from '../../core/training/user-failure.ts';
import { Verdict, verdictKey } from '../../core/training/verdict.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import type { Deployment } from '../deployment.ts';
import { describeRun, failedStatuses, findRun } from '../runs.ts';
import { styled } from '../terminal.ts';

type Outcome = NonNullable<Run['outcome']>;

/** What to do about a run that ended so. */
const nextSteps: Readonly<Record<Outcome, (run: Run) => string[]>> = {
  live: ({ model }) => [`slipway live ${model}`, `slipway drift ${model}`],
  awaiting_approval: ({ model, version }) => [
    `slipway approve ${model} ${version}`,
    `slipway reject ${model} ${version} --reason "…"`,
  ],
  rejected: ({ model }) => [`slipway drift ${model}`, `slipway live ${model}`],
  collected: ({ model }) => [
    `slipway status ${model}    what the training waits for`,
    `slipway train ${model}     train now, if the budget allows it`,
  ],
  quarantined: ({ model }) => [
    `slipway drop ${model} <files>    the same files, with the rows mended that the report names`,
  ],
  unchanged: ({ model }) => [
    `slipway drop ${model} <files>    new data, or change models/${model}/model.ts and deploy`,
  ],
  no_data: ({ model }) => [`slipway drop ${model} <files>`],
};

/** The commands that go on from a run. */
export function nextAfter(ended: Run): string[] {
  const { model, outcome, runId, status } = ended;
  if (failedStatuses.has(status) && isUserFailure(ended.reasons)) {
    return [
      `slipway train ${model} --sample 1000    tries models/${model}/ here, when it is mended`,
      `slipway deploy ${model}                 then \`slipway train ${model} --wait\``,
      `slipway logs ${runId}     all that the job wrote`,
    ];
  }
  if (failedStatuses.has(status)) {
    return [
      `slipway logs ${runId}     the whole traceback`,
      `slipway retry ${runId}    from the step that failed`,
    ];
  }
  if (outcome === undefined) return [`slipway status ${model}`];
  return nextSteps[outcome](ended);
}

async function verdictOf({ data }: Pick<Deployment, 'data'>, ended: Run) {
  const key = verdictKey(ended.model, ended.runId);
  if (!(await data.find(key))) return undefined;
  return parseDocument(Verdict, await data.getJson(key), key);
}

const coloured = (line: string): string => {
  if (line.startsWith('PASS')) return `${styled('green', 'PASS')}${line.slice(4)}`;
  return line.startsWith('FAIL') ? `${styled('red', 'FAIL')}${line.slice(4)}` : line;
};

/** What happened to a run and what to do, as lines. */
export function describeWhy(ended: Run, verdict: Verdict | undefined): string[] {
  if (verdict) {
    // The text was written for a message; whoever reads it here has asked that already.
    const text = verdict.text.filter((line) => line.trim() !== `slipway why ${ended.runId}`);
    if (text.at(-1) === 'Next:') text.push(...nextAfter(ended).map((line) => `  ${line}`));
    const [first = '', ...others] = text;
    return [styled('bold', first), ...others.map(coloured)];
  }
  return [
    ...describeRun(ended),
    `  asked for by ${ended.trigger.kind}: ${ended.trigger.by}`,
    '',
    'Next:',
    ...nextAfter(ended).map((line) => `  ${line}`),
  ];
}

export const whyCommand = (): Command =>
  deployedCommand({
    usage: 'why <run>',
    description:
      'why a run ended as it did: the verdict of the gate, or what happened before it, and what to do',
    examples: [
      'slipway why flight-delay-20260101T000000-0a1b2c',
      'slipway why flight-delay-20260101T000000-0a1b2c --json --env prod',
    ],
  }).action((runId: string, options: Common) =>
    run(options, async ({ deployment, terminal }) => {
      const ended = await findRun(deployment, runId);
      const verdict = await verdictOf(deployment, ended);
      terminal.result(
        { run: ended, verdict: verdict ?? null, next: nextAfter(ended) },
        describeWhy(ended, verdict),
      );
      return undefined;
    }),
  );
