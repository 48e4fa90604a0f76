import * as z from 'zod';
import { MeasurementResult } from '../../core/inference/measurement.ts';

/** A candidate that there are no rows to hold against. */
export const EvaluateImportEvent = z.object({
  runId: z.string(),
  importId: z.string(),
  /** s3://…/output/model/ as SageMaker reports it. */
  modelArtifacts: z.string(),
  featuresKey: z.string(),
  signatureKey: z.string(),
  /** Of the endpoint whose container answers for it. */
  endpointName: z.string().optional(),
  measurement: MeasurementResult,
});
