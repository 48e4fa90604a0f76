import {
  InvokeEndpointCommand,
  SageMakerRuntimeClient,
  SageMakerRuntimeServiceException,
} from '@aws-sdk/client-sagemaker-runtime';
import {
  ContainerBusyError,
  ContainerFaultError,
  ContainerTimeoutError,
} from '../core/inference/containers/container-errors.ts';
import { containerBody, containerOutput } from '../core/inference/containers/container-protocol.ts';
import { DeadlineError } from '../core/inference/serving-errors.ts';
import type {
  ModelOutput,
  ModelSession,
  RunLimits,
  SessionRequest,
} from '../core/inference/versions/loaded-version.ts';

type ContainerRequest = Extract<SessionRequest, { readonly runtime: 'container' }>;

/** A serverless endpoint takes 4 MB, and answers at most as many. */
const largestBodyBytes = 4 * 1024 * 1024;
const mostRows = 1_000;

/** How long SageMaker itself waits for a container, and a little. */
const longestInvocationMs = 65_000;
const shared = new SageMakerRuntimeClient({
  requestHandler: {
    connectionTimeout: 1_000,
    requestTimeout: longestInvocationMs,
    throwOnRequestTimeout: true,
  },
});

export interface EndpointSessionOptions {
  /** How long an answer is waited for, repetitions included. @default as long as SageMaker does */
  readonly limitMs?: number;
  readonly client?: Pick<SageMakerRuntimeClient, 'send'>;
}

const busy = new Set([
  'ThrottlingException',
  'TooManyRequestsException',
  'ServiceUnavailable',
  'ServiceUnavailableException',
  'ModelNotReadyException',
]);

/** What the container said, for those who may read it: a traceback may quote the caller's values. */
function said(error: SageMakerRuntimeServiceException, { signature }: ContainerRequest): string {
  const columns = [...signature.inputs, ...signature.passthrough];
  if (columns.some(({ sensitive }) => sensitive)) return '';
  const { OriginalMessage } = error as { OriginalMessage?: string };
  return OriginalMessage ? `: ${OriginalMessage.trim()}` : '';
}

function translated(error: unknown, request: ContainerRequest, limitMs: number): unknown {
  if (!(error instanceof Error)) return error;
  const { endpointName } = request;
  const cause = { cause: error };
  const log = `its log is /aws/sagemaker/Endpoints/${endpointName}`;
  if (error.name === 'TimeoutError' || error.name === 'AbortError') {
    return new ContainerTimeoutError(
      `the container of ${endpointName} did not answer within ${limitMs / 1_000} s; ${log}`,
      cause,
    );
  }
  if (!(error instanceof SageMakerRuntimeServiceException)) return error;
  if (busy.has(error.name)) {
    return new ContainerBusyError(`${endpointName} is busy: ${error.message}`, cause);
  }
  if (error.name === 'ModelError') {
    const { OriginalStatusCode: status } = error as { OriginalStatusCode?: number };
    return new ContainerFaultError(
      `the container of ${endpointName} answered ${status || 'nothing'}; ${log}${said(error, request)}`,
      cause,
    );
  }
  if (error.name === 'ValidationError' && /not found/i.test(error.message)) {
    return new ContainerFaultError(
      `there is no endpoint ${endpointName} in service; \`slipway approve\` or \`slipway rollback\` brings it back`,
      cause,
    );
  }
  return error;
}

/** Outputs of parts of a request as one. */
function joined(parts: readonly ModelOutput[], rows: number): ModelOutput {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  const predictions = new Float32Array(rows);
  let first = 0;
  for (const part of parts) {
    predictions.set(part.predictions, first);
    first += part.predictions.length;
  }
  if (parts.every(({ details }) => details === undefined)) return { predictions };
  const details = parts.flatMap(
    (part) => part.details ?? new Array<null>(part.predictions.length).fill(null),
  );
  return { predictions, details };
}

/**
 * Answers through a model's endpoint. Its runs throw ContainerFaultError where the container gives no
 * predictions, ContainerTimeoutError where it is too slow, ContainerBusyError where it is asked too often.
 */
export function createEndpointSession(
  request: ContainerRequest,
  { client = shared, limitMs = longestInvocationMs }: EndpointSessionOptions = {},
): ModelSession {
  const { endpointName, signature, spec } = request;
  const protocol = signature.protocol ?? 'v1';
  const inputs = spec.columns ?? [];

  /** How long a call may take. @throws DeadlineError where it is too late for one */
  const remainingMs = ({ deadlineAt }: RunLimits): number => {
    if (deadlineAt === undefined) return limitMs;
    const left = deadlineAt - Date.now();
    if (left <= 0)
      throw new DeadlineError(`it is too late to ask the container of ${endpointName}`);
    return Math.min(limitMs, left);
  };

  const invoke = async (body: string, limits: RunLimits): Promise<string> => {
    const mostMs = remainingMs(limits);
    try {
      const { Body } = await client.send(
        new InvokeEndpointCommand({
          EndpointName: endpointName,
          Body: body,
          ContentType: 'application/json',
          Accept: 'application/json',
        }),
        { abortSignal: AbortSignal.timeout(mostMs) },
      );
      return Body?.transformToString('utf-8') ?? '';
    } catch (error) {
      throw translated(error, request, mostMs);
    }
  };

  /** Sends rows, by halves where they are too many bytes at once. */
  const answers = async (
    columns: Parameters<typeof containerBody>[2]['columns'],
    { first, rows }: { readonly first: number; readonly rows: number },
    limits: RunLimits,
  ): Promise<ModelOutput[]> => {
    const body = containerBody(protocol, inputs, { columns, first, rows });
    if (rows > mostRows || (rows > 1 && Buffer.byteLength(body) > largestBodyBytes)) {
      const half = Math.ceil(rows / 2);
      const left = await answers(columns, { first, rows: half }, limits);
      const others = { first: first + half, rows: rows - half };
      return [...left, ...(await answers(columns, others, limits))];
    }
    const text = await invoke(body, limits);
    try {
      return [containerOutput(protocol, text, rows)];
    } catch (error) {
      if (!(error instanceof ContainerFaultError)) throw error;
      throw new ContainerFaultError(`the container of ${endpointName}: ${error.message}`);
    }
  };

  return {
    async run(input, limits = {}) {
      if (input.kind !== 'columns') {
        throw new ContainerFaultError(
          `the container of ${endpointName} takes raw columns, and was given features`,
        );
      }
      return joined(
        await answers(input.columns, { first: 0, rows: input.rows }, limits),
        input.rows,
      );
    },
    release: async () => undefined,
  };
}
