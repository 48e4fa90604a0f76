import * as z from 'zod';

/** What a model is, as far as the arithmetic of its predictions goes. `kind` of the trainer's metrics.json. */
export const ModelKind = z.enum(['trees', 'linear', 'network', 'quantised', 'python']);
export type ModelKind = z.infer<typeof ModelKind>;

/** Of a quantised model: the metric may move so far, and so many rows may change their class. */
export const quantisedLimits = { metricDifference: 0.001, flipShare: 0.001 } as const;

/** Part of the prediction's size, and at least of 1, so that probabilities have it as it stands. */
const ofSize: Record<Exclude<ModelKind, 'network' | 'quantised'>, number> = {
  trees: 1e-6,
  linear: 1e-5,
  // The fitted object answers as it is: only 32 bits and the order of sums are between the two.
  python: 1e-5,
};

/** numpy.isclose's bound with the tolerances of float32 matrix products. */
const network = { absolute: 1e-5, relative: 1e-3 };

/**
 * How far a prediction may be from the notebook's and still be the same; of a quantised model no single
 * row is judged.
 */
export function allowedDifference(kind: ModelKind, expected: number): number {
  if (kind === 'quantised') return Number.POSITIVE_INFINITY;
  const size = Math.abs(expected);
  if (kind === 'network') return network.absolute + network.relative * size;
  return ofSize[kind] * Math.max(1, size);
}

/** The tolerance in one line for people. */
export function toleranceText(kind: ModelKind): string {
  if (kind === 'quantised') {
    const { metricDifference, flipShare } = quantisedLimits;
    return `the metric moves by at most ${metricDifference}, at most ${flipShare * 100} % of the labels flip`;
  }
  if (kind === 'network') return `${network.absolute} + ${network.relative} × the prediction`;
  return `${ofSize[kind]}, of predictions above 1 that part of them`;
}

/**
 * What a version is. A stock trainer says it by its name; versions from before trainers wrote it down have
 * no other.
 */
export function modelKind(
  trainerMetrics: Readonly<Record<string, unknown>>,
  hyperparameters: Readonly<Record<string, string>>,
): ModelKind | undefined {
  const written = ModelKind.safeParse(trainerMetrics['kind']);
  if (written.success) return written.data;
  return hyperparameters['trainer'] === 'xgboost' ? 'trees' : undefined;
}
