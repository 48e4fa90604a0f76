import { sha256 } from '../../core/canonical-json.ts';
import type { ImportedVersion } from '../../core/registry/records.ts';
import { modelVersion } from './model-version.ts';

/** A version that somebody brought along, of the same model as modelVersion's. */
export function importedVersion(version: number, model?: string): ImportedVersion {
  const { lineage: _, ...record } = modelVersion(
    version,
    { weights: [0.1, 0.2], bias: 0 },
    model,
  ).record;
  const hash = sha256('a file');
  const { 'metrics.json': __, ...artifacts } = record.artifacts;
  return {
    ...record,
    origin: 'imported',
    artifacts,
    lineage: {
      data: { standing: 'declared', statement: 'customers of 2025' },
      code: { standing: 'unknown' },
      hyperparameters: { standing: 'unknown' },
      environment: { standing: 'unknown' },
      metrics: { standing: 'unknown' },
    },
    imported: {
      key: `imports/${record.model}/${hash}/model.pkl`,
      file: 'model.pkl',
      sha256: hash,
      bytes: 6,
      by: 'ada',
      modelHash: sha256('model'),
      trainerSha256: sha256('trainer'),
      trainingImage: 'image',
      environmentSha256: sha256('environment'),
    },
  };
}
