import type * as z from 'zod';
import type { LogGroups } from '../../adapters/cloudwatch-log-groups.ts';
import { endpointArchiveKey } from '../../adapters/model-endpoints.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { EndpointContent, SagemakerEndpoints } from '../../adapters/sagemaker-endpoints.ts';
import { ArtifactCorruptedError } from '../../core/registry/errors.ts';
import { prefixIn } from '../training/unusable-candidate.ts';
import type { DeployCandidateEvent, DeployCandidateResult } from './deploy-candidate.contract.ts';

/** An endpoint did not come into service. */
export class EndpointFailedError extends Error {
  override readonly name = 'EndpointFailedError';
}

export interface DeploymentPlace {
  readonly model: string;
  readonly artifacts: S3Objects;
  readonly endpoints: SagemakerEndpoints;
  readonly logs: LogGroups;
  readonly logRetentionDays: number;
  readonly content: Omit<EndpointContent, 'modelDataUrl'>;
}

const logGroup = (endpointName: string): string => `/aws/sagemaker/Endpoints/${endpointName}`;

async function create(
  { artifacts, content, endpoints, logRetentionDays, logs, model }: DeploymentPlace,
  { endpointName, modelArtifacts }: z.infer<typeof DeployCandidateEvent>,
): Promise<void> {
  const source = `${prefixIn(artifacts.bucket, modelArtifacts)}model.tar.gz`;
  const target = endpointArchiveKey(model, endpointName);
  // What the job wrote goes with the run; an endpoint unpacks its archive whenever a container is started.
  const { sha256 } = await artifacts.hash(source);
  await artifacts.copy({ key: source }, target);
  const copied = await artifacts.hash(target);
  if (copied.sha256 !== sha256) throw new ArtifactCorruptedError(target, sha256, copied.sha256);
  await logs.keep(logGroup(endpointName), logRetentionDays);
  // Parts of an attempt that was broken off may be of another content.
  await endpoints.remove(endpointName);
  const modelDataUrl = `s3://${artifacts.bucket}/${target}`;
  await endpoints.create(endpointName, { ...content, modelDataUrl });
}

/**
 * Brings an endpoint into service, one step at a time: it is asked again until it is. Can be repeated at any
 * point.
 * @throws EndpointFailedError with SageMaker's reason; the next time it is tried anew.
 */
export async function deployCandidate(
  place: DeploymentPlace,
  event: z.infer<typeof DeployCandidateEvent>,
): Promise<z.infer<typeof DeployCandidateResult>> {
  const { endpoints } = place;
  const { endpointName } = event;
  const state = await endpoints.state(endpointName);
  switch (state.status) {
    case 'in_service':
      return { outcome: 'deployed', endpointName };
    case 'absent':
      await create(place, event);
      return { outcome: 'deploying', endpointName };
    case 'changing':
      return { outcome: 'deploying', endpointName };
    case 'failed':
      await endpoints.remove(endpointName);
      throw new EndpointFailedError(
        `the container of ${endpointName} did not come into service: ${state.reason} Its log is ${logGroup(endpointName)}`,
      );
  }
}
