import * as z from 'zod';
import { ContainerProtocol } from './container-protocol.ts';

/** Equal rows are answered from memory, then from a Valkey that all environments share. */
const Cache = z.strictObject({
  /** How long an answer is kept; a new version never gives an old one, however long that is. */
  ttlSeconds: z.int().min(1).max(604_800).default(3_600),
  /** Answers kept in the memory of each environment; about 250 bytes each. */
  maximumEntries: z.int().min(1).max(100_000).default(10_000),
});

/** What is kept of the answers, for monitoring and lineage. */
export const PredictionLog = z.strictObject({
  /** The share of the requests that are kept, picked by their ids; labels join only what is kept. */
  sampleRate: z
    .number()
    .gt(0, { error: 'more than 0: without a log there is nothing to watch' })
    .max(1),
});

/** Kinesis in, predictions out to Kinesis and EventBridge; both streams cost by the hour. */
const Streaming = z.strictObject({
  /** Of each of the two streams. */
  shards: z.int().min(1).max(64).default(1),
});

const everywhere = { predictionLog: PredictionLog.optional(), streaming: Streaming.optional() };

/** From when on how many environments are kept warm. */
const WarmFrom = z.strictObject({
  /** Six fields, as EventBridge has them: minutes, hours, day of month, month, day of week, year. */
  cron: z.string().regex(/^\S+( \S+){5}$/, { error: "six fields, as in '0 7 ? * MON-FRI *'" }),
  timezone: z.string().default('UTC'),
  executions: z.int().min(0).max(1_000),
});

const LambdaServing = z.strictObject({
  target: z.literal('lambda'),
  memoryMb: z.int().min(512).max(10_240).default(1_769),
  cache: Cache.optional(),
  /** Environments that stand ready, by schedule: they cost by the hour whether asked or not. */
  provisionedConcurrency: z.array(WarmFrom).min(1).max(10).optional(),
  ...everywhere,
});

/** How requests that come at the same time share a run. */
export const Batching = z.strictObject({
  /** Rows of one run. */
  maximumRows: z.int().min(1).max(4_096).default(256),
  /** Rows that may wait in one task; beyond them callers are told to come again. */
  maximumQueuedRows: z.int().min(1).max(100_000).default(4_096),
});

const fargateSizesVcpu = [0.25, 0.5, 1, 2, 4] as const;

/** A server of its own on Fargate, which costs by the hour. */
const EcsServing = z.strictObject({
  target: z.literal('ecs'),
  vcpu: z
    .literal([...fargateSizesVcpu], {
      error: `a task has one of ${fargateSizesVcpu.join(', ')} vCPU`,
    })
    .default(0.5),
  memoryMb: z.int().min(512).max(30_720).multipleOf(512).default(1_024),
  /** Two stand in different zones. */
  minimumTasks: z.int().min(1).max(100).default(2),
  maximumTasks: z.int().min(1).max(100).default(8),
  /** How long queued work may take to be answered: tasks are added before it takes longer. */
  queueLimitMs: z.int().min(5).max(10_000).default(100),
  batching: Batching.prefault({}),
  cache: Cache.optional(),
  ...everywhere,
});

const containerSizesMb = [1_024, 2_048, 3_072, 4_096, 5_120, 6_144] as const;

/** A serverless endpoint of SageMaker a version, which costs nothing while nobody asks. */
const ContainerServing = z.strictObject({
  target: z.literal('container'),
  /** Processors come with the memory. */
  memoryMb: z
    .literal([...containerSizesMb], {
      error: `a container has one of ${containerSizesMb.join(', ')} MB`,
    })
    .default(2_048),
  /** So many requests are answered at the same time, each by a container of its own. */
  maxConcurrency: z
    .int()
    .min(1)
    .max(200, { error: 'between 1 and 200: a serverless endpoint has no more' })
    .default(5),
  /** Without it, the platform's image for Python runs what train.py fitted. */
  image: z
    .string()
    .regex(
      /^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?\/[a-z0-9._/-]+[:@][A-Za-z0-9._:-]+$/,
      {
        error:
          'the address of an image in ECR with its tag or digest, as in 123456789012.dkr.ecr.eu-west-1.amazonaws.com/churn:1.4',
      },
    )
    .optional(),
  protocol: ContainerProtocol.default('v1'),
  ...everywhere,
  cache: z
    .undefined({
      error: 'is for models that ONNX Runtime answers, whose answers are numbers alone; remove it',
    })
    .optional(),
});

export const ServingSection = z.discriminatedUnion(
  'target',
  [LambdaServing, EcsServing, ContainerServing],
  {
    error:
      "the serving target is 'lambda', 'ecs' for traffic that never rests, or 'container' for what cannot be an ONNX graph",
  },
);
export type ServingSection = z.infer<typeof ServingSection>;
export type LambdaServing = z.infer<typeof LambdaServing>;
export type EcsServing = z.infer<typeof EcsServing>;
export type ContainerServing = z.infer<typeof ContainerServing>;
