import * as z from 'zod';
import { parseDocument } from '../../core/parse-document.ts';
import { CommandError } from '../command-error.ts';
import { jobDescription, trainerAttempts } from '../failure-logs.ts';

/** Has the laptop cloud take away the model's next spot instance once, after a checkpoint. */
export async function orderInterruption(endpoint: string, model: string): Promise<void> {
  const reply = await fetch(`${endpoint}/_laptop/spot-interruptions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      trainingJobNamePrefix: model,
      afterCheckpoints: 1,
      // A checkpoint is whole when its manifest has been stored.
      checkpointKeyPattern: '/manifest\\.json$',
      times: 1,
    }),
  });
  if (!reply.ok) {
    throw new CommandError(`no spot interruption was arranged: ${await reply.text()}`);
  }
}

/** How a training job went. Rounds count from 1; null where the log or the version does not say. */
export interface TrainingStory {
  readonly job: string;
  /** Instances that worked on it. */
  readonly attempts: number;
  readonly interruptions: number;
  /** The last round that the killed instance told of. */
  readonly killedAtRound: number | null;
  /** The round of the checkpoint that the next instance went on from, by its log. */
  readonly resumedFromRound: number | null;
  /** The first round of the next instance, by the version's metrics. */
  readonly firstRound: number | null;
  readonly rounds: number | null;
  readonly trainingSeconds: number | null;
  readonly billableSeconds: number | null;
}

const numberIn = (line: string, pattern: RegExp): number[] => {
  const number = pattern.exec(line)?.[1];
  return number === undefined ? [] : [Number(number)];
};

/** Rounds that a trainer's lines tell of: `[12] train-logloss=0.51;`, `checkpoint written: round 12`. */
export const roundsIn = (lines: readonly string[]): number[] =>
  lines.flatMap((line) => numberIn(line, /^(?:\[|checkpoint written: round )(\d+)\b/));

/** Round of the checkpoint that a trainer's lines say it went on from. */
export const resumedFrom = (lines: readonly string[]): number | undefined =>
  lines.flatMap((line) => numberIn(line, /^resumed from checkpoint: round (\d+)/))[0];

const VersionMetrics = z.object({
  training: z.object({ rounds: z.int().optional(), firstRound: z.int().optional() }),
});

/**
 * How a training went: from the job's description, its log and the metrics.json of the version that
 * came of it.
 */
export async function tellTraining(job: string, metrics: unknown): Promise<TrainingStory> {
  const [facts, attempts] = await Promise.all([jobDescription(job), trainerAttempts(job)]);
  const { training } = parseDocument(VersionMetrics, metrics, 'metrics.json of the version');
  const [first, second] = attempts;
  return {
    job,
    attempts: attempts.length,
    interruptions: facts?.transitions.filter(({ status }) => status === 'Interrupted').length ?? 0,
    killedAtRound: first && second ? Math.max(0, ...roundsIn(first)) : null,
    resumedFromRound: (second && resumedFrom(second)) ?? null,
    firstRound: training.firstRound ?? null,
    rounds: training.rounds ?? null,
    trainingSeconds: facts?.trainingSeconds ?? null,
    billableSeconds: facts?.billableSeconds ?? null,
  };
}
