import type * as z from 'zod';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { buildSignature } from '../../core/features/build-signature.ts';
import { featureKeys } from '../../core/features/built-features.ts';
import { featureFitter } from '../../core/features/fit-features.ts';
import { exampleInstance } from '../../core/inference/example-instance.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import type {
  DescribeFeaturesEvent,
  DescribeFeaturesResult,
} from './describe-features.contract.ts';

/** Timestamps of made-up rows: the same import is described in the same bytes. */
const someDay = new Date('2026-01-01T00:00:00Z');

/**
 * Writes what a model takes, as its definition says it, where no rows have been dropped from which anything
 * could be learned.
 */
export async function describeFeatures(
  data: S3Objects,
  definition: ModelDefinition,
  { importId }: z.infer<typeof DescribeFeaturesEvent>,
): Promise<z.infer<typeof DescribeFeaturesResult>> {
  const spec = featureFitter(definition, importId).spec();
  const signature = buildSignature(definition, spec);
  const keys = featureKeys(definition.name, importId, spec.specHash);
  await data.putJson(keys.spec, spec);
  await data.putJson(keys.signature, signature);
  await data.putJson(keys.instances, { instances: [exampleInstance(signature, someDay)] });
  return {
    specHash: spec.specHash,
    featuresKey: keys.spec,
    signatureKey: keys.signature,
    instancesKey: keys.instances,
    featuresUri: `s3://${data.bucket}/${keys.prefix}features/`,
  };
}
