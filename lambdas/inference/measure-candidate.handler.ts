import { createModelSession } from '../../adapters/model-session.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  MeasureCandidateEnvironment,
  MeasureCandidateEvent,
  MeasureCandidateResult,
} from './measure-candidate.contract.ts';
import { measureCandidate } from './measure-candidate.ts';

const environment = parseEnvironment(MeasureCandidateEnvironment, process.env);
const place = {
  model: environment.MODEL_NAME,
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  artifacts: s3Objects({ bucket: environment.ARTIFACTS_BUCKET }),
  createSession: createModelSession,
  containerMemoryMb: environment.CONTAINER_MEMORY_MB,
  task: environment.TASK,
};

export const handler = stepHandler(
  { event: MeasureCandidateEvent, result: MeasureCandidateResult },
  (event, { memoryLimitInMB }) => {
    const memoryMb = Number(memoryLimitInMB);
    return measureCandidate({ ...place, memoryMb, architecture: process.arch }, event);
  },
);
