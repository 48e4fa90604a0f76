import * as z from 'zod';
import { Measurement, MeasurementResult } from '../../core/inference/measurement.ts';

export const MeasureCandidateEnvironment = z.object({
  DATA_BUCKET: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  MODEL_NAME: z.string(),
  /** Empty where ONNX Runtime answers. */
  CONTAINER_MEMORY_MB: z
    .string()
    .default('')
    .transform((text) => (text === '' ? undefined : Number(text))),
  /** JSON: vCPU and megabytes of the tasks that would serve it; empty where none do. */
  TASK: z
    .string()
    .default('')
    .transform((text): unknown => (text === '' ? undefined : JSON.parse(text)))
    .pipe(Measurement.shape.task),
});
export const MeasureCandidateEvent = z.object({
  runId: z.string(),
  /** s3://…/output/model/ as SageMaker reports it. */
  modelArtifacts: z.string(),
  featuresKey: z.string(),
  signatureKey: z.string(),
  /** Rows of the holdout as instances of requests. */
  instancesKey: z.string(),
  /** Of the endpoint whose container answers for it. */
  endpointName: z.string().optional(),
});
/** A candidate that cannot answer is not measured; its evaluation says what else is wrong with it. */
export const MeasureCandidateResult = MeasurementResult;
