import { CommandError } from '../command-error.ts';
import { jobDescription, trainerAttempts } from '../failure-logs.ts';

/** Has the laptop cloud take away the model's next spot instance once, after a checkpoint. */
export async function orderInterruption(endpoint: string, model: string): Promise<void> {
  const reply = await fetch(`${endpoint}/_laptop/spot-interruptions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ trainingJobNamePrefix: model, afterCheckpoints: 1, times: 1 }),
  });
  if (!reply.ok) {
    throw new CommandError(`no spot interruption was arranged: ${await reply.text()}`);
  }
}

export interface TrainingStory {
  readonly job: string;
  /** Instances that worked on it. */
  readonly attempts: number;
  readonly interruptions: number;
  /** Last round before the kill, in the log. */
  readonly killedAtRound: number | null;
  /** First round after it. */
  readonly resumedFromRound: number | null;
  readonly rounds: number;
  readonly trainingSeconds: number | null;
  readonly billableSeconds: number | null;
}

/** Rounds that a trainer's lines tell of, as in `[12] train-logloss=0.51 …`; they count from 1. */
export const roundsIn = (lines: readonly string[]): number[] =>
  lines.flatMap((line) => {
    const round = /^\[(\d+)\]\s/.exec(line)?.[1];
    return round === undefined ? [] : [Number(round)];
  });

/** How a training job went, from its description and its log. */
export async function tellTraining(job: string): Promise<TrainingStory> {
  const [facts, attempts] = await Promise.all([jobDescription(job), trainerAttempts(job)]);
  const rounds = attempts.map(roundsIn);
  const [first = [], second = []] = rounds;
  return {
    job,
    attempts: attempts.length,
    interruptions: facts?.transitions.filter(({ status }) => status === 'Interrupted').length ?? 0,
    killedAtRound: attempts.length > 1 ? (first.at(-1) ?? null) : null,
    resumedFromRound: second.at(0) ?? null,
    rounds: Math.max(0, ...rounds.flat()),
    trainingSeconds: facts?.trainingSeconds ?? null,
    billableSeconds: facts?.billableSeconds ?? null,
  };
}
