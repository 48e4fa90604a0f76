import type * as z from 'zod';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { evaluateWithoutHoldout, rejectionReasons } from '../../core/training/evaluation.ts';
import type { EvaluateCandidateResult } from './evaluate-candidate.contract.ts';
import { candidateSession, type EvaluationPlace, parityAnswers } from './evaluate-candidate.ts';
import type { EvaluateImportEvent } from './evaluate-import.contract.ts';
import { prefixIn } from './unusable-candidate.ts';

/**
 * Runs an imported candidate on its parity sample, and writes evaluation.json beside it: all that can be said
 * while no rows have been dropped.
 * @throws UnusableCandidateError, UnfitGraphError, InvalidDocumentError when it cannot be run.
 */
export async function evaluateImport(
  place: EvaluationPlace,
  event: z.infer<typeof EvaluateImportEvent>,
): Promise<z.infer<typeof EvaluateCandidateResult>> {
  const { artifacts, data, definition, ledger } = place;
  const prefix = prefixIn(artifacts.bucket, event.modelArtifacts);
  const spec = parseDocument(FeatureSpec, await data.getJson(event.featuresKey), event.featuresKey);
  const { live } = await ledger.head(definition.name);
  const session = await candidateSession(place, event, { prefix, spec });
  try {
    const sample = await parityAnswers(place, event, session, { prefix, spec });
    const answers = { ...sample, measurement: event.measurement };
    const evaluation = evaluateWithoutHoldout(definition.evaluation, answers, live);
    const evaluationKey = `${prefix}evaluation.json`;
    await artifacts.putJson(evaluationKey, evaluation);
    const reasons = rejectionReasons(evaluation);
    return { outcome: evaluation.outcome, measured: true, reasons, evaluationKey };
  } finally {
    await session.release();
  }
}
