import { z } from 'zod';

const LambdaServing = z.strictObject({
  target: z.literal('lambda'),
  memoryMb: z.int().min(512).max(10_240).default(1_769),
  /** Equal rows are answered from memory, then from a Valkey that all environments share. */
  cache: z
    .strictObject({
      /** How long an answer is kept; a new version never gives an old one, however long that is. */
      ttlSeconds: z.int().min(1).max(604_800).default(3_600),
      /** Answers kept in the memory of each environment; about 250 bytes each. */
      maximumEntries: z.int().min(1).max(100_000).default(10_000),
    })
    .optional(),
});

/** What is sent to a container: v1: `{"instances": [{column: value}]}` · v2: a tensor a column. */
export const ContainerProtocol = z.enum(['v1', 'v2'], {
  error: "a container's protocol is 'v1' (KServe) or 'v2' (Open Inference Protocol)",
});
export type ContainerProtocol = z.infer<typeof ContainerProtocol>;

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
  cache: z
    .undefined({
      error: 'is for models that ONNX Runtime answers, whose answers are numbers alone; remove it',
    })
    .optional(),
});

export const ServingSection = z.discriminatedUnion('target', [LambdaServing, ContainerServing], {
  error: "the serving target is 'lambda', or 'container' for what cannot be an ONNX graph",
});
export type ServingSection = z.infer<typeof ServingSection>;
export type ContainerServing = z.infer<typeof ContainerServing>;
