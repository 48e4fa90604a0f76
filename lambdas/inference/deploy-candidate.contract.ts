import * as z from 'zod';

/** Of a model whose serving target is a container: brings the endpoint of a candidate, or of a version, into service. */
export const DeployCandidateEnvironment = z.object({
  ARTIFACTS_BUCKET: z.string(),
  /** What the endpoint's container runs. */
  SERVING_IMAGE: z.string(),
  /** JSON: the container's variables. */
  SERVING_ENVIRONMENT: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(z.record(z.string(), z.string())),
  SERVING_ROLE_ARN: z.string(),
  SERVING_MEMORY_MB: z.coerce.number<string>(),
  SERVING_MAX_CONCURRENCY: z.coerce.number<string>(),
  LOG_RETENTION_DAYS: z.coerce.number<string>(),
  MODEL_NAME: z.string(),
});
export const DeployCandidateEvent = z.object({
  /** Of the training job: the same training has the same endpoint. */
  endpointName: z.string(),
  /** s3://…/ of the folder that model.tar.gz lies in. */
  modelArtifacts: z.string(),
});
export const DeployCandidateResult = z.object({
  /** deploying: ask again in a while. */
  outcome: z.enum(['deployed', 'deploying']),
  endpointName: z.string(),
});
