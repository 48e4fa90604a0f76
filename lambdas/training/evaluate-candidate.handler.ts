import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  EvaluateCandidateEnvironment,
  EvaluateCandidateEvent,
  EvaluateCandidateResult,
} from './evaluate-candidate.contract.ts';
import { evaluateCandidate } from './evaluate-candidate.ts';

const environment = parseEnvironment(EvaluateCandidateEnvironment, process.env);
const definition = loadModelDefinition(environment.LAMBDA_TASK_ROOT);
const data = s3Objects({ bucket: environment.DATA_BUCKET });
const artifacts = s3Objects({ bucket: environment.ARTIFACTS_BUCKET });

export const handler = stepHandler(
  { event: EvaluateCandidateEvent, result: EvaluateCandidateResult },
  (event) => evaluateCandidate({ definition, data, artifacts }, event),
);
