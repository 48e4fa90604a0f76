import * as z from 'zod';

/**
 * What a version needs in the function that serves it. Milliseconds are without the caller's network and the
 * log; where a container answers they are the function's wait for it.
 */
export const Measurement = z.strictObject({
  memoryMb: z.int().positive(),
  architecture: z.string(),
  /** Of the container that answers behind the function, where one does. */
  containerMemoryMb: z.int().positive().optional(),
  /** Of the Fargate task that would serve it, where one would; it was measured in a function of about its size. */
  task: z.strictObject({ vcpu: z.number().positive(), memoryMb: z.int().positive() }).optional(),
  /** Warm requests of one row, one after the other. */
  single: z.strictObject({
    requests: z.int().positive(),
    p50Ms: z.number(),
    p95Ms: z.number(),
    meanMs: z.number(),
  }),
  /** Warm requests of several rows. */
  batch: z.strictObject({
    rows: z.int().positive(),
    requests: z.int().positive(),
    p50Ms: z.number(),
  }),
  /** Reading the artifacts, building the session, the first run: that of a container may start it. */
  loadMs: z.number(),
  /** Of model.onnx, or of the model.tar.gz that its container runs. */
  modelBytes: z.int().positive(),
  costPer1000PredictionsUsd: z.number(),
});
export type Measurement = z.infer<typeof Measurement>;

/** A measurement, or why there is none. */
export const MeasurementResult = z.discriminatedUnion('outcome', [
  z.strictObject({ outcome: z.literal('measured'), measurement: Measurement }),
  z.strictObject({ outcome: z.literal('not_measured'), reason: z.string() }),
]);
export type MeasurementResult = z.infer<typeof MeasurementResult>;

/**
 * List prices of AWS Lambda in us-east-1, first tier, on 2026-11-25 (https://aws.amazon.com/lambda/pricing/):
 * US dollars per gigabyte-second of memory, and per request.
 */
const usdPerGbSecond: Readonly<Record<string, number>> = {
  x64: 0.000_016_666_7,
  arm64: 0.000_013_333_4,
};
const usdPerRequest = 0.000_000_2;
/**
 * List prices of AWS Fargate in us-east-1, Linux on x86, on 2026-11-25 (https://aws.amazon.com/fargate/pricing/):
 * US dollars an hour of a processor, and of a gigabyte.
 */
const usdPerVcpuHour = 0.040_48;
const usdPerFargateGbHour = 0.004_445;
const msPerHour = 3_600_000;

/** What a millisecond of a function's time costs, on x86. */
export const usdPerLambdaMs = (memoryMb: number): number =>
  ((memoryMb / 1_024) * (usdPerGbSecond['x64'] ?? 0)) / 1_000;

/** What a millisecond of a task's time costs. */
export const usdPerFargateMs = (vcpu: number, memoryMb: number): number =>
  (vcpu * usdPerVcpuHour + (memoryMb / 1_024) * usdPerFargateGbHour) / msPerHour;
/**
 * Of a serverless endpoint's memory, in us-east-1 on 2026-11-25 (https://aws.amazon.com/sagemaker/ai/pricing/).
 * The 0.016 dollars a gigabyte sent and answered are not counted: 1,000 rows of a kilobyte are 0.000016.
 */
export const usdPerContainerGbSecond = 0.000_02;

/**
 * Of 1,000 requests of one row; whole milliseconds are counted. A container is paid for as long as the function
 * waits for it, and the function too. A task is paid by the hour: the figure is that of one which is never idle.
 */
export function costPer1000Predictions(
  meanMs: number,
  {
    memoryMb,
    architecture,
    containerMemoryMb = 0,
    task,
  }: Pick<Measurement, 'memoryMb' | 'architecture'> & {
    readonly containerMemoryMb?: number | undefined;
    readonly task?: Measurement['task'] | undefined;
  },
): number {
  if (task) return 1_000 * meanMs * usdPerFargateMs(task.vcpu, task.memoryMb);
  const price = usdPerGbSecond[architecture] ?? usdPerGbSecond['x64'] ?? 0;
  const seconds = Math.max(1, Math.ceil(meanMs)) / 1_000;
  const container = (containerMemoryMb / 1_024) * usdPerContainerGbSecond;
  return 1_000 * (seconds * ((memoryMb / 1_024) * price + container) + usdPerRequest);
}
