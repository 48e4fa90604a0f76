import {
  CloudWatchLogsClient,
  paginateDescribeLogStreams,
  paginateFilterLogEvents,
  paginateGetLogEvents,
  ResourceNotFoundException,
} from '@aws-sdk/client-cloudwatch-logs';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { DescribeTrainingJobCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import type { HistoryEvent } from '@aws-sdk/client-sfn';

export interface TrainingJobFacts {
  readonly status: string;
  readonly failureReason?: string | undefined;
  readonly trainingSeconds?: number | undefined;
  readonly billableSeconds?: number | undefined;
  /** Every status the job went through, in order. */
  readonly transitions: readonly {
    readonly status: string;
    readonly startedAt?: string | undefined;
    readonly message?: string | undefined;
  }[];
}

/** What SageMaker says of a training job; undefined where the job was never created. */
export async function jobDescription(job: string): Promise<TrainingJobFacts | undefined> {
  try {
    const answer = await new SageMakerClient().send(
      new DescribeTrainingJobCommand({ TrainingJobName: job }),
    );
    return {
      status: `${answer.TrainingJobStatus} (${answer.SecondaryStatus})`,
      failureReason: answer.FailureReason,
      trainingSeconds: answer.TrainingTimeInSeconds,
      billableSeconds: answer.BillableTimeInSeconds,
      transitions: (answer.SecondaryStatusTransitions ?? []).map((transition) => ({
        status: transition.Status ?? '?',
        startedAt: transition.StartTime?.toISOString(),
        message: transition.StatusMessage,
      })),
    };
  } catch (error) {
    if (error instanceof Error && /ValidationException|ResourceNotFound/.test(error.name)) return;
    throw error;
  }
}

const trainerGroup = '/aws/sagemaker/TrainingJobs';

async function emptyWhereMissing<T>(read: () => Promise<T[]>): Promise<T[]> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return [];
    throw error;
  }
}

interface Attempt {
  readonly startedAt: number;
  readonly lines: readonly string[];
}

async function readStream(
  client: CloudWatchLogsClient,
  logGroupName: string,
  logStreamName: string,
): Promise<Attempt> {
  const lines: string[] = [];
  let startedAt = Number.POSITIVE_INFINITY;
  const pages = paginateGetLogEvents(
    { client, stopOnSameToken: true },
    { logGroupName, logStreamName, startFromHead: true },
  );
  for await (const { events } of pages) {
    for (const { timestamp = 0, message = '' } of events ?? []) {
      startedAt = Math.min(startedAt, timestamp);
      lines.push(...message.trimEnd().split('\n'));
    }
  }
  return { startedAt, lines };
}

/** What each stream of a group has, in the order in which they began. */
async function streamsOf(
  logGroupName: string,
  logStreamNamePrefix?: string,
): Promise<(readonly string[])[]> {
  const attempts = await emptyWhereMissing(async () => {
    const client = new CloudWatchLogsClient();
    const found: Attempt[] = [];
    const pages = paginateDescribeLogStreams(
      { client },
      { logGroupName, ...(logStreamNamePrefix !== undefined && { logStreamNamePrefix }) },
    );
    for await (const { logStreams } of pages) {
      for (const { logStreamName = '' } of logStreams ?? []) {
        found.push(await readStream(client, logGroupName, logStreamName));
      }
    }
    return found;
  });
  return attempts.sort((a, b) => a.startedAt - b.startedAt).map(({ lines }) => lines);
}

/** What each instance of a training job wrote, in their order: one more than interruptions. */
export const trainerAttempts = (job: string): Promise<(readonly string[])[]> =>
  streamsOf(trainerGroup, `${job}/`);

/** Every line that a training job wrote, oldest first, through all its interruptions. */
export const trainerLog = async (job: string): Promise<string[]> =>
  (await trainerAttempts(job)).flat();

/** Name or ARN of the function that the last task of a history invoked. */
function invokedFunction(events: readonly HistoryEvent[]): string | undefined {
  const scheduled = events.findLast(
    ({ taskScheduledEventDetails, lambdaFunctionScheduledEventDetails }) =>
      taskScheduledEventDetails?.resourceType === 'lambda' || lambdaFunctionScheduledEventDetails,
  );
  const direct = scheduled?.lambdaFunctionScheduledEventDetails?.resource;
  if (direct !== undefined) return direct;
  const parameters = scheduled?.taskScheduledEventDetails?.parameters;
  return parameters === undefined
    ? undefined
    : (JSON.parse(parameters) as { FunctionName?: string }).FunctionName;
}

const lastLines = 60;

/** The last lines that the containers of a training's endpoint wrote; none where it has none. */
export const containerLog = async (job: string): Promise<string[]> =>
  (await streamsOf(`/aws/sagemaker/Endpoints/${job}`)).flat().slice(-lastLines);

/** The last lines that the last invoked function wrote while the run was going on. */
export async function functionLog(events: readonly HistoryEvent[]): Promise<string[]> {
  const name = invokedFunction(events);
  if (name === undefined) return [];
  const { LoggingConfig, FunctionName } = await new LambdaClient().send(
    new GetFunctionConfigurationCommand({ FunctionName: name }),
  );
  const times = events.flatMap(({ timestamp }) => timestamp?.getTime() ?? []);
  return emptyWhereMissing(async () => {
    const lines: string[] = [];
    const pages = paginateFilterLogEvents(
      { client: new CloudWatchLogsClient() },
      {
        logGroupName: LoggingConfig?.LogGroup ?? `/aws/lambda/${FunctionName}`,
        startTime: Math.min(...times),
        endTime: Math.max(...times) + 5_000,
      },
    );
    for await (const page of pages) {
      for (const { message } of page.events ?? [])
        lines.push(...(message ?? '').trimEnd().split('\n'));
    }
    return lines.slice(-lastLines);
  });
}

/** A cause is a text, or as JSON a function's error with its stack or a description of a job. */
export function readableCause(cause: string): string[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(cause);
  } catch {
    return cause.split('\n');
  }
  if (typeof parsed !== 'object' || parsed === null) return cause.split('\n');
  const { errorType, errorMessage, trace, stackTrace, FailureReason } = parsed as Record<
    string,
    unknown
  >;
  const stack = Array.isArray(trace) ? trace : Array.isArray(stackTrace) ? stackTrace : [];
  if (stack.length > 0) return stack.flatMap((line) => String(line).split('\n'));
  if (typeof errorMessage === 'string') return `${errorType}: ${errorMessage}`.split('\n');
  if (typeof FailureReason === 'string') return FailureReason.split('\n');
  return JSON.stringify(parsed, null, 2).split('\n');
}
