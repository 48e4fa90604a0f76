import { z } from 'zod';

/** What a version needs in the function that serves it. Milliseconds are without network and log. */
export const Measurement = z.strictObject({
  memoryMb: z.int().positive(),
  architecture: z.string(),
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
  /** Reading the artifacts, building the session, the first run. */
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

/** Of 1,000 requests of one row; Lambda counts whole milliseconds. */
export function costPer1000Predictions(
  meanMs: number,
  { memoryMb, architecture }: Pick<Measurement, 'memoryMb' | 'architecture'>,
): number {
  const price = usdPerGbSecond[architecture] ?? usdPerGbSecond['x64'] ?? 0;
  const gbSeconds = (Math.max(1, Math.ceil(meanMs)) / 1_000) * (memoryMb / 1_024);
  return 1_000 * (gbSeconds * price + usdPerRequest);
}
