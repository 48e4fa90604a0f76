import { cloudwatchLogGroups } from '../../adapters/cloudwatch-log-groups.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { sagemakerEndpoints } from '../../adapters/sagemaker-endpoints.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  DeployCandidateEnvironment,
  DeployCandidateEvent,
  DeployCandidateResult,
} from './deploy-candidate.contract.ts';
import { deployCandidate } from './deploy-candidate.ts';

const environment = parseEnvironment(DeployCandidateEnvironment, process.env);
const place = {
  model: environment.MODEL_NAME,
  artifacts: s3Objects({ bucket: environment.ARTIFACTS_BUCKET }),
  endpoints: sagemakerEndpoints(),
  logs: cloudwatchLogGroups(),
  logRetentionDays: environment.LOG_RETENTION_DAYS,
  content: {
    image: environment.SERVING_IMAGE,
    environment: environment.SERVING_ENVIRONMENT,
    roleArn: environment.SERVING_ROLE_ARN,
    memoryMb: environment.SERVING_MEMORY_MB,
    maxConcurrency: environment.SERVING_MAX_CONCURRENCY,
    tags: { 'slipway:model': environment.MODEL_NAME },
  },
};

export const handler = stepHandler(
  { event: DeployCandidateEvent, result: DeployCandidateResult },
  (event) => deployCandidate(place, event),
);
