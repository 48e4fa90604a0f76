// The endpoint of a version that a container answers: brought back where it was removed, and removed for good.
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { removeEndpoints } from '../adapters/model-endpoints.ts';
import { sagemakerEndpoints } from '../adapters/sagemaker-endpoints.ts';
import { CommandError } from './command-error.ts';
import type { Deployment } from './deployment.ts';
import { findVersion } from './operator.ts';
import { type Terminal, withProgress } from './terminal.ts';

type Known = Pick<Deployment, 'artifacts' | 'environment' | 'model' | 'registry'>;

const askAgainAfterMs = 3_000;

interface Asked {
  readonly FunctionName: string;
  readonly endpointName: string;
  readonly modelArtifacts: string;
}

/** One step of a deployment. @throws CommandError with the function's message. */
async function deployStep(
  client: LambdaClient,
  { FunctionName, ...event }: Asked,
): Promise<'deployed' | 'deploying'> {
  const { FunctionError, Payload } = await client.send(
    new InvokeCommand({ FunctionName, Payload: JSON.stringify(event) }),
  );
  const answer = JSON.parse(Payload?.transformToString() || '{}');
  if (FunctionError === undefined) return answer.outcome;
  throw new CommandError(
    `the version's endpoint could not be brought back: ${answer.errorMessage ?? FunctionError}`,
  );
}

/**
 * Has the endpoint of a version in service; a version that ONNX Runtime answers has none.
 * @throws CommandError where the model's stack cannot create one, or it does not come up.
 */
export async function ensureEndpoint(
  { artifacts, environment, model: modelNamed, registry }: Known,
  model: string,
  version: number,
  terminal: Terminal,
): Promise<void> {
  const { artifactsPrefix, endpointName } = await findVersion(registry, model, version);
  if (endpointName === undefined) return;
  const { deployCandidateFunction: FunctionName } = modelNamed(model);
  if (FunctionName === undefined) {
    const state = await sagemakerEndpoints().state(endpointName);
    if (state.status === 'in_service') return;
    throw new CommandError(
      `version ${version} of ${model} is answered by a container, and its endpoint is gone; set serving.target to 'container' in model.ts and \`slipway deploy ${model} --env ${environment}\`, then try again`,
    );
  }
  const modelArtifacts = `s3://${artifacts.bucket}/${artifactsPrefix}`;
  const client = new LambdaClient();
  const step = () => deployStep(client, { FunctionName, endpointName, modelArtifacts });
  if ((await step()) === 'deployed') return;
  await withProgress(terminal, `starting the container of version ${version}`, async () => {
    while ((await step()) !== 'deployed') {
      await new Promise((resolve) => setTimeout(resolve, askAgainAfterMs));
    }
  });
}

/** Deletes all endpoints of a model that answers no more. Their versions stay, and can be brought back. */
export const removeAllEndpoints = (
  { artifacts }: Pick<Deployment, 'artifacts'>,
  model: string,
): Promise<string[]> =>
  removeEndpoints({ artifacts, endpoints: sagemakerEndpoints() }, model, new Set());
