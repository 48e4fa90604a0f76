import {
  DescribeTrainingJobCommand,
  ResourceNotFound,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import type { TrainingJobs } from '../core/training/retraining-control.ts';

/** SageMaker's training jobs. Rejects with the SDK's errors. */
export function sagemakerTrainingJobs({
  client = new SageMakerClient(),
}: {
  readonly client?: SageMakerClient;
} = {}): TrainingJobs {
  return {
    async billableSeconds(TrainingJobName) {
      try {
        const job = await client.send(new DescribeTrainingJobCommand({ TrainingJobName }));
        const { BillableTimeInSeconds, TrainingJobStatus } = job;
        if (TrainingJobStatus === 'InProgress' || TrainingJobStatus === 'Stopping')
          return undefined;
        // A job that ended before it had an instance has none.
        return BillableTimeInSeconds ?? 0;
      } catch (error) {
        if (isMissing(error)) return 0;
        throw error;
      }
    },
  };
}

/** SageMaker answers for a job that there is not with one or the other. */
const isMissing = (error: unknown): boolean =>
  error instanceof ResourceNotFound ||
  (error instanceof Error &&
    error.name === 'ValidationException' &&
    /not found/i.test(error.message));
