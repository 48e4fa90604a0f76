import * as z from 'zod';
import type { VersionHealth } from '../delivery/version-health.ts';
import type { Changes } from './data-changes.ts';
import { Evaluation, type SliceResult } from './evaluation.ts';
import { type EvaluationRule, shown, shownGain, shownInterval, shownRows } from './gate-rules.ts';

/** The live version as it was when the gate decided, and whether it serves. */
export const LiveAtVerdict = z.strictObject({
  version: z.int().positive(),
  health: z.enum(['healthy', 'unhealthy', 'unknown']),
  /** Why it is unhealthy, or that nothing is recorded. */
  healthText: z.string(),
});
export type LiveAtVerdict = z.infer<typeof LiveAtVerdict>;

/** As the last check that looked at it while it was live says. */
export function liveAtVerdict(version: number, health: VersionHealth | undefined): LiveAtVerdict {
  const last = health?.records.at(-1);
  if (!last) return { version, health: 'unknown', healthText: 'no health record' };
  if (last.healthy) return { version, health: 'healthy', healthText: 'healthy' };
  return { version, health: 'unhealthy', healthText: `unhealthy at ${last.at}: ${last.reason}` };
}

/** reports/<model>/gate/<runId>.json: what the gate said of a run's candidate, and the text for people. */
export const Verdict = z.strictObject({
  model: z.string(),
  runId: z.string(),
  trainingId: z.string(),
  /** null where the candidate could not be measured and so is no version. */
  version: z.int().positive().nullable(),
  outcome: z.enum(['passed', 'rejected']),
  live: LiveAtVerdict.nullable(),
  evaluation: Evaluation,
  text: z.array(z.string()),
  decidedAt: z.string().describe('ISO 8601, UTC'),
});
export type Verdict = z.infer<typeof Verdict>;

export const verdictPrefix = (model: string): string => `reports/${model}/gate/`;
export const verdictKey = (model: string, runId: string): string =>
  `${verdictPrefix(model)}${runId}.json`;

type Facts = Omit<Verdict, 'text' | 'outcome'>;

const named = ({ version }: Pick<Facts, 'version'>): string =>
  version === null ? 'The candidate, which could not be measured,' : `v${version}`;

/** The first line: what was decided, what answers now, whether somebody has to get up. */
function headline(facts: Facts): string {
  const { evaluation, live } = facts;
  const who = named(facts);
  if (evaluation.outcome === 'passed') {
    return live
      ? `${who} PASSED its gate; v${live.version} is live (${live.healthText}) until ${who} takes its place.`
      : `${who} PASSED its gate; no version is live before it.`;
  }
  if (!live) {
    return `${who} REJECTED; no version is live, so nothing answers. Mend the data or the model and train again.`;
  }
  const action =
    live.health === 'unhealthy'
      ? `Look at v${live.version}: roll back, or approve another version.`
      : 'No action tonight.';
  return `${who} REJECTED; v${live.version} still live (${live.healthText}). ${action}`;
}

const marks: Readonly<Record<EvaluationRule['outcome'], string>> = {
  passed: 'PASS',
  failed: 'FAIL',
  not_applied: '  – ',
};
/** Of what stands before a line's text. */
const labelWidth = 13;

const ruleLine = ({ outcome, rule, text }: EvaluationRule): string =>
  `${marks[outcome]}  ${rule.padEnd(labelWidth)}${text}`;

function sliceLine({ name, rows, value, comparison }: SliceResult): string {
  const start = `      ${name.padEnd(labelWidth)}${shownRows(rows)} rows`;
  if (value === undefined) return `${start}: too few to measure`;
  if (!comparison) return `${start}: ${shown(value)}`;
  const { gain, interval, production } = comparison;
  return `${start}: ${shown(value)} against ${shown(production)}, gain ${shownGain(gain)}, ${shownInterval(interval)}`;
}

function sliceLines({ primaryMetric, slices }: Evaluation): string[] {
  if (slices.length === 0) return [];
  return [
    '',
    `${primaryMetric} by slice (reported; it decides nothing):`,
    ...slices.map(sliceLine),
  ];
}

const share = (value: number): string => shown(Number(value.toPrecision(4)));
const day = ({ from, to }: { from: string; to: string }): string =>
  `${from.slice(0, 10)} to ${to.slice(0, 10)}`;

/** `before → now`, or just what is known. */
function change<T>(
  { production, candidate }: { production: T | null; candidate: T | null },
  show: (value: T) => string,
): string | undefined {
  if (candidate === null) return undefined;
  const now = show(candidate);
  if (production === null) return `${now} (before: not known)`;
  const before = show(production);
  return before === now ? `${now}, as before` : `${before} → ${now}`;
}

function dataLines(changes: Changes): string[] {
  const { features, files, labelMean, newCategories, rows, timeSpan } = changes;
  const counted = files.production === null ? '' : ` (${files.added} new, ${files.removed} gone)`;
  const lines: (readonly [string, string | undefined])[] = [
    ['files', `${change(files, String)}${counted}`],
    [
      'rows',
      change(rows, ({ train, holdout }) => `${shownRows(train)} + ${shownRows(holdout)} held out`),
    ],
    ['time span', change(timeSpan, day)],
    ['label rate', change(labelMean, share)],
    ...newCategories.map(({ count, examples, feature }): [string, string] => [
      feature,
      `${count} new ${count === 1 ? 'category' : 'categories'}${examples.length > 0 ? `: ${examples.join(', ')}${count > examples.length ? ', …' : ''}` : ''}`,
    ]),
    ...features.added.map((name): [string, string] => [name, 'new feature']),
    ...features.removed.map((name): [string, string] => [name, 'feature is gone']),
  ];
  return lines.flatMap(([what, text]) =>
    text === undefined ? [] : [`      ${what.padEnd(labelWidth)}${text}`],
  );
}

function codeLines({ code, hyperparameters }: Changes): string[] {
  const other = [
    ...(code.model ? ['model.ts'] : []),
    ...(code.trainer ? ["the trainer's code"] : []),
    ...(code.image ? ['the training image'] : []),
  ];
  return [
    `      ${'code'.padEnd(labelWidth)}${other.length > 0 ? `changed: ${other.join(', ')}` : 'as before'}`,
    ...hyperparameters.map(
      ({ name, production, candidate }) =>
        `      ${name.padEnd(labelWidth)}${production ?? 'not set'} → ${candidate ?? 'not set'}`,
    ),
  ];
}

const changeLines = ({ changes }: Evaluation): string[] =>
  changes
    ? ['', `Changed against v${changes.version}:`, ...dataLines(changes), ...codeLines(changes)]
    : [];

function commandLines({ evaluation, live, model, runId, version }: Facts): string[] {
  const why = `  slipway why ${runId}`;
  const drift = `  slipway drift ${model}`;
  const override = `  slipway approve ${model} ${version} --override --reason "…"`;
  const rejected = evaluation.outcome === 'rejected';
  return [
    '',
    'Next:',
    ...(rejected ? [why] : []),
    ...(live ? [drift] : []),
    ...(version === null ? [] : [`  slipway lineage ${model} ${version}`]),
    ...(rejected && version !== null ? [override] : []),
    ...(!rejected && live ? [`  slipway rollback ${model} --reason "…"`] : []),
  ];
}

/** The night text: everything that somebody who is woken up needs, most important first. */
export const verdictText = (facts: Facts): string[] => [
  headline(facts),
  '',
  ...facts.evaluation.rules.map(ruleLine),
  ...sliceLines(facts.evaluation),
  ...changeLines(facts.evaluation),
  ...commandLines(facts),
];

/** The whole document. */
export const verdictOf = (facts: Facts): Verdict => ({
  ...facts,
  outcome: facts.evaluation.outcome,
  text: verdictText(facts),
});
