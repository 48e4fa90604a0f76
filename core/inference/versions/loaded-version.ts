import type { FeatureSpec } from '../../features/feature-spec.ts';
import type { RawColumns } from '../../features/raw-values.ts';
import type { Instances } from '../instances.ts';
import type { PredictionDetails } from '../log/prediction-record.ts';
import type { Signature } from '../signature.ts';

/** Rows as a model takes them. */
export type ModelInput =
  /** Row-major, NaN = missing. */
  | { readonly kind: 'features'; readonly rows: number; readonly features: Float32Array }
  /** The raw columns; a timestamp is ISO 8601 text or microseconds. */
  | { readonly kind: 'columns'; readonly rows: number; readonly columns: RawColumns };

export interface ModelOutput {
  /** One number per row. */
  readonly predictions: Float32Array;
  /** What the model says beside it of each row; absent where it says nothing of any. */
  readonly details?: readonly (PredictionDetails | null)[];
  /** These rows' share of the run, where the caller's wait for it says more than that. */
  readonly runMs?: number;
}

export interface RunLimits {
  /** Milliseconds of Date.now(): rows that wait longer need not be run any more. */
  readonly deadlineAt?: number | undefined;
}

/** A model, ready to run. */
export interface ModelSession {
  /** @throws OverloadedError, DeadlineError where rows wait for a run. */
  run(input: ModelInput, limits?: RunLimits): Promise<ModelOutput>;
  /** Frees the memory; the session is not run again. */
  release(): Promise<void>;
}

/** What a session is made of. */
export type SessionRequest = { readonly spec: FeatureSpec; readonly signature: Signature } & (
  | { readonly runtime: 'onnx'; readonly onnx: Uint8Array }
  | { readonly runtime: 'container'; readonly endpointName: string }
);

/** The hashes of what turns a row into an answer, as they were verified when the version was loaded. */
export interface AnswerIdentity {
  /** SHA-256 of model.onnx, hex, or of what names the container that answers instead. */
  readonly modelSha256: string;
  /** SHA-256 of features.json, hex: every transform and what it learned. */
  readonly featuresSha256: string;
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
