import { RetrainingAlarm } from '../model/retraining-section.ts';
import type { Run, RunOutcome, TrainingRecord } from '../registry/records.ts';
import type { RetrainingWish } from './retraining-state.ts';
import type { Verdict } from './verdict.ts';

/** How a run ended. */
export interface EndedRun {
  readonly model: string;
  readonly runId: string;
  readonly outcome: RunOutcome;
  readonly version?: number | undefined;
  readonly reasons: readonly string[];
  readonly verdict: Verdict | undefined;
  /** Of a rejected candidate. */
  readonly lasting?: LastingDrift | undefined;
}

/** Why a run found nothing to do: what became of the same training, or of the same file, before. */
export function unchangedReasons(known: TrainingRecord | undefined, imported = false): string[] {
  const same = imported
    ? 'the same file, definition and code'
    : 'the same data, code and hyperparameters';
  if (known?.outcome === 'rejected') return [`${same} were rejected before`, ...known.reasons];
  if (known?.outcome !== 'registered') return [];
  return known.rejection
    ? [`${same} were rejected as version ${known.version}`, ...known.rejection]
    : [`${same} are version ${known.version}`];
}

const isAlarm = (kind: RetrainingWish['kind']): boolean =>
  RetrainingAlarm.options.some((alarm) => alarm === kind);

/** A drift or a drop of quality that retraining has not ended, though it was tried. */
export interface LastingDrift {
  /** The wish that has lasted longest. */
  readonly wish: RetrainingWish;
  /** How many candidates were rejected since it began. */
  readonly refusals: number;
}

/**
 * One refusal can wait for the morning. From the second on, under an alarm that goes on, retraining does not
 * help by itself: somebody has to look.
 * @param runs of the model, the one that was just rejected among them
 */
export function lastingDrift(
  wishes: readonly RetrainingWish[],
  runs: readonly Run[],
): LastingDrift | undefined {
  const alarms = wishes.filter(({ kind }) => isAlarm(kind));
  const [wish] = alarms.toSorted((a, b) => (a.since < b.since ? -1 : 1));
  if (!wish) return undefined;
  const refusals = runs.filter(
    ({ finishedAt, outcome }) =>
      outcome === 'rejected' && finishedAt !== undefined && finishedAt >= wish.since,
  ).length;
  return refusals >= 2 ? { wish, refusals } : undefined;
}

const lastingText = ({ refusals, wish }: LastingDrift): string =>
  `${wish.kind} since ${wish.since}, and ${refusals} candidates were rejected since: retraining does not end it by itself.`;

function rejection({ lasting, model, reasons, runId, verdict, version }: EndedRun) {
  const who = version === undefined ? 'the candidate' : `version ${version}`;
  // A version that passed may have been set aside by a person while its run went on.
  const text =
    verdict?.outcome === 'rejected'
      ? verdict.text.join('\n')
      : [`The candidate of run ${runId} does not go live:`, ...reasons].join('\n- ');
  const still = verdict?.live ? `, version ${verdict.live.version} still live` : '';
  return {
    kind: 'run-rejected',
    subject: `${model}: ${who} was rejected${still}`,
    severity: lasting ? ('page' as const) : ('news' as const),
    text: [...(lasting ? [lastingText(lasting), ''] : []), text].join('\n'),
  };
}

function approval({ model, reasons, runId, verdict, version }: EndedRun) {
  return {
    kind: 'run-awaiting-approval',
    subject: `${model}: version ${version} waits for approval`,
    severity: 'news' as const,
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
    severity: 'news' as const,
    text: [answers, ...(verdict ? ['', ...verdict.text] : [])].join('\n'),
  };
}
