import type { DynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { Evaluation } from '../../core/training/evaluation.ts';
import {
  type LiveAtVerdict,
  liveAtVerdict,
  Verdict,
  verdictKey,
  verdictOf,
} from '../../core/training/verdict.ts';

export interface VerdictPlace {
  readonly data: S3Objects;
  readonly artifacts: S3Objects;
  readonly health: Pick<DynamodbVersionHealth, 'find'>;
  /** ISO 8601, UTC. */
  readonly now: () => string;
}

export interface JudgedRun {
  readonly model: string;
  readonly runId: string;
  readonly trainingId: string;
  readonly evaluationKey: string;
  /** null where the candidate is no version. */
  readonly version: number | null;
}

async function liveOf(
  { health }: VerdictPlace,
  model: string,
  { production }: Evaluation,
): Promise<LiveAtVerdict | null> {
  if (production.outcome === 'nothing_live') return null;
  const { version } = production;
  return liveAtVerdict(version, await health.find(model, version));
}

/**
 * Writes what the gate said of a run's candidate, once: what is there stays, so that everybody tells the
 * same. undefined where neither the verdict nor the evaluation is there.
 */
export async function recordVerdict(
  place: VerdictPlace,
  { evaluationKey, ...run }: JudgedRun,
): Promise<Verdict | undefined> {
  const { artifacts, data, now } = place;
  const key = verdictKey(run.model, run.runId);
  if (await data.find(key)) return parseDocument(Verdict, await data.getJson(key), key);
  if (!(await artifacts.find(evaluationKey))) return undefined;
  const document = await artifacts.getJson(evaluationKey);
  const evaluation = parseDocument(Evaluation, document, evaluationKey);
  const live = await liveOf(place, run.model, evaluation);
  const verdict = verdictOf({ ...run, evaluation, live, decidedAt: now() });
  await data.putJson(key, verdict);
  return verdict;
}
