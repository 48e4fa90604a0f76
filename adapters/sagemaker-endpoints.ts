import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointCommand,
  DeleteEndpointConfigCommand,
  DeleteModelCommand,
  DescribeEndpointCommand,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker';

/** What an endpoint runs. */
export interface EndpointContent {
  readonly image: string;
  readonly environment: Readonly<Record<string, string>>;
  /** s3:// address of the archive that lies unpacked in /opt/ml/model. */
  readonly modelDataUrl: string;
  readonly roleArn: string;
  readonly memoryMb: number;
  readonly maxConcurrency: number;
  readonly tags: Readonly<Record<string, string>>;
}

export type EndpointState =
  | { readonly status: 'absent' | 'in_service' | 'changing' }
  | { readonly status: 'failed'; readonly reason: string };

const says = (error: unknown, pattern: RegExp): boolean =>
  error instanceof Error && error.name === 'ValidationException' && pattern.test(error.message);
const isAbsent = (error: unknown) => says(error, /could not find/i);
const isThere = (error: unknown) => says(error, /already exist/i);
const isChanging = (error: unknown) => says(error, /in-progress|in progress/i);

/** Answers false where it met what it may meet. */
async function unless(
  call: Promise<unknown>,
  expected: (error: unknown) => boolean,
): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (expected(error)) return false;
    throw error;
  }
}

export type SagemakerEndpoints = ReturnType<typeof sagemakerEndpoints>;

/**
 * Serverless endpoints, each with a model and a configuration of its own name. Every method can be repeated.
 * Rejects with the SDK's errors.
 */
export function sagemakerEndpoints({
  client = new SageMakerClient(),
}: {
  readonly client?: SageMakerClient;
} = {}) {
  return {
    async state(EndpointName: string): Promise<EndpointState> {
      try {
        const found = await client.send(new DescribeEndpointCommand({ EndpointName }));
        if (found.EndpointStatus === 'InService') return { status: 'in_service' };
        if (found.EndpointStatus !== 'Failed') return { status: 'changing' };
        return { status: 'failed', reason: found.FailureReason ?? 'SageMaker gives no reason' };
      } catch (error) {
        if (isAbsent(error)) return { status: 'absent' };
        throw error;
      }
    },

    /** Begins to create the endpoint; what of it is there already stays as it is. */
    async create(name: string, content: EndpointContent): Promise<void> {
      const Tags = Object.entries(content.tags).map(([Key, Value]) => ({ Key, Value }));
      const model = new CreateModelCommand({
        ModelName: name,
        ExecutionRoleArn: content.roleArn,
        PrimaryContainer: {
          Image: content.image,
          Environment: content.environment,
          ModelDataUrl: content.modelDataUrl,
        },
        Tags,
      });
      const serverless = {
        MemorySizeInMB: content.memoryMb,
        MaxConcurrency: content.maxConcurrency,
      };
      const config = new CreateEndpointConfigCommand({
        EndpointConfigName: name,
        ProductionVariants: [
          { VariantName: 'AllTraffic', ModelName: name, ServerlessConfig: serverless },
        ],
        Tags,
      });
      const endpoint = new CreateEndpointCommand({
        EndpointName: name,
        EndpointConfigName: name,
        Tags,
      });
      await unless(client.send(model), isThere);
      await unless(client.send(config), isThere);
      await unless(client.send(endpoint), isThere);
    },

    /**
     * Deletes the endpoint with its configuration and model, whatever of them is there. Answers false where it
     * cannot be deleted yet, because it is just being created.
     */
    async remove(name: string): Promise<boolean> {
      try {
        await unless(client.send(new DeleteEndpointCommand({ EndpointName: name })), isAbsent);
      } catch (error) {
        if (isChanging(error)) return false;
        throw error;
      }
      const config = new DeleteEndpointConfigCommand({ EndpointConfigName: name });
      await unless(client.send(config), isAbsent);
      await unless(client.send(new DeleteModelCommand({ ModelName: name })), isAbsent);
      return true;
    },
  };
}
