import type { FeatureSpec } from '../features/feature-spec.ts';
import type { Instances } from './parse-instances.ts';
import type { AnswerIdentity } from './prediction-keys.ts';
import type { Signature } from './signature.ts';

/** A model's graph, ready to run. */
export interface ModelSession {
  /** Predictions of `rows` rows of features, row-major, NaN = missing: one number per row. */
  run(features: Float32Array, rows: number): Promise<Float32Array>;
  /** Frees the memory; the session is not run again. */
  release(): Promise<void>;
}

/** A version that was verified and warmed up, and can answer. */
export interface LoadedVersion {
  readonly model: string;
  readonly version: number;
  /** What its answers depend on, and therefore their place in a cache. */
  readonly identity: AnswerIdentity;
  readonly signature: Signature;
  readonly spec: FeatureSpec;
  /** @throws InvalidRequestError */
  readonly parse: (body: string) => Instances;
  readonly session: ModelSession;
}
