import type { FeatureSpec } from './feature-spec.ts';
import type { RawColumns } from './raw-values.ts';

/** Learns what features need to know of the training rows, chunk by chunk. */
export interface FeatureFitter {
  /** The columns that have to be given to `add`. */
  readonly columns: readonly string[];
  /** Takes training rows in; `taken` says of each row whether it is one. */
  add(columns: RawColumns, taken?: (row: number) => boolean): void;
  spec(): FeatureSpec;
}
