import type { RunOutcome, TrainingRecord } from '../registry/records.ts';
import type { Verdict } from './verdict.ts';

/** How a run ended. */
export interface EndedRun {
  readonly model: string;
  readonly runId: string;
  readonly outcome: RunOutcome;
  readonly version?: number | undefined;
  readonly reasons: readonly string[];
  readonly verdict: Verdict | undefined;
}

/** Why a run found nothing to do: what became of the same training before. */
export function unchangedReasons(known: TrainingRecord | undefined): string[] {
  const same = 'the same data, code and hyperparameters';
  if (known?.outcome === 'rejected') return [`${same} were rejected before`, ...known.reasons];
  if (known?.outcome !== 'registered') return [];
  return known.rejection
    ? [`${same} were rejected as version ${known.version}`, ...known.rejection]
    : [`${same} are version ${known.version}`];
}

function rejection({ model, reasons, runId, verdict, version }: EndedRun) {
  const who = version === undefined ? 'the candidate' : `version ${version}`;
  const still = verdict?.live ? `, version ${verdict.live.version} still live` : '';
  return {
    kind: 'run-rejected',
    subject: `${model}: ${who} was rejected${still}`,
    // A version that passed may have been set aside by a person while its run went on.
    text:
      verdict?.outcome === 'rejected'
        ? verdict.text.join('\n')
        : [`The candidate of run ${runId} does not go live:`, ...reasons].join('\n- '),
  };
}

function approval({ model, reasons, runId, verdict, version }: EndedRun) {
  return {
    kind: 'run-awaiting-approval',
    subject: `${model}: version ${version} waits for approval`,
    text: [
      `Run ${runId} registered version ${version} of ${model}; it passed its gate and answers when somebody approves it.`,
      ...reasons.map((reason) => `- ${reason}`),
      `slipway approve ${model} ${version}`,
      `slipway reject ${model} ${version} --reason "..."`,
      ...(verdict ? ['', ...verdict.text] : [`slipway lineage ${model} ${version}`]),
    ].join('\n'),
  };
}

/** What people want to hear of; quarantined files were told of when they were put there. */
export function newsOf(run: EndedRun) {
  const { model, outcome, runId, verdict, version } = run;
  if (outcome === 'rejected') return rejection(run);
  if (outcome === 'awaiting_approval') return approval(run);
  if (outcome !== 'live') return undefined;
  const answers = `Run ${runId} registered version ${version} of ${model}, and it answers now.`;
  return {
    kind: 'run-live',
    subject: `${model}: version ${version} is live`,
    text: [answers, ...(verdict ? ['', ...verdict.text] : [])].join('\n'),
  };
}
