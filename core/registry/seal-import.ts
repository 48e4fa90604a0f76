import { canonicalJson, sha256 } from '../canonical-json.ts';
import type { SnapshotManifest } from '../datasets/snapshot.ts';
import { snapshotId } from '../datasets/snapshot.ts';
import { type ModelDefinition, modelHash } from '../model/define-model.ts';
import type { Evaluation } from '../training/evaluation.ts';
import { planImport } from '../training/import-plan.ts';
import type { ModelImport, UnsealedAnswer } from './declared-lineage.ts';
import { LineageIncompleteError } from './errors.ts';
import type { DeclaredLineage, ImportedFrom, Lineage } from './records.ts';
import { type VersionMetrics, versionMetrics } from './version-metrics.ts';

/** The data that an import was evaluated on, where some had been dropped. */
export type EvaluatedOn = Lineage['data'] & { readonly manifest: SnapshotManifest | undefined };

/** All that is known of an import when it is to be registered; undefined is what could not be found. */
export interface ImportEvidence {
  readonly definition: ModelDefinition;
  readonly runId: string;
  readonly trainingId: string;
  readonly file: ModelImport;
  /** Of the file as it lies there now. */
  readonly fileSha256: string | undefined;
  readonly trainerSha256: string;
  readonly trainingImage: string;
  readonly environmentSha256: string | undefined;
  readonly evaluation: Evaluation | undefined;
  readonly trainerMetrics: Readonly<Record<string, unknown>> | undefined;
  readonly evaluatedOn: EvaluatedOn | undefined;
}

export interface SealedImport {
  readonly lineage: DeclaredLineage;
  readonly imported: ImportedFrom;
  readonly metrics: VersionMetrics;
}

const said = (statement: string | undefined): UnsealedAnswer =>
  statement === undefined ? { standing: 'unknown' } : { standing: 'declared', statement };

function missingOf(evidence: ImportEvidence): string[] {
  const { definition, evaluatedOn, file, fileSha256, runId, trainerSha256, trainingImage } =
    evidence;
  const expected = planImport({
    ...{ definition, file, runId, trainerSha256, trainingImage },
    artifactsBucket: '',
  }).trainingId;
  const manifest = evaluatedOn?.manifest;
  const problems = [
    fileSha256 === undefined && `file: there is none at ${file.key}; import it again`,
    fileSha256 !== undefined &&
      fileSha256 !== file.sha256 &&
      `file: ${file.key} has SHA-256 ${fileSha256}, not ${file.sha256}; import it again`,
    expected !== evidence.trainingId &&
      `code: what is deployed now is import ${expected}, and this one was planned as ${evidence.trainingId}; import the file again`,
    evidence.environmentSha256 === undefined &&
      'environment: the trainer wrote no environment.json',
    !evidence.trainerMetrics && 'metrics: the trainer wrote no metrics.json',
    !evidence.evaluation && 'metrics: the candidate was not evaluated',
    evaluatedOn !== undefined &&
      (manifest === undefined || snapshotId(manifest) !== evaluatedOn.snapshotId) &&
      `data: the manifest at ${evaluatedOn.manifestKey} is not that of snapshot ${evaluatedOn.snapshotId}`,
  ];
  return problems.filter((problem) => problem !== false);
}

/** How good it is: a sealed fact where the platform evaluated it on rows of its own. */
function metricsAnswer(
  found: VersionMetrics,
  statement: string | undefined,
): DeclaredLineage['metrics'] {
  const value = found.metrics[found.primary];
  const baseline = found.baseline.metrics[found.primary];
  if (value === undefined || baseline === undefined) return said(statement);
  const compared = found.production?.outcome === 'compared' ? found.production : undefined;
  return {
    sha256: sha256(canonicalJson(found)),
    primary: found.primary,
    value,
    baseline,
    ...(compared && { production: compared.comparison.production }),
  };
}

/**
 * What was seen of an import, sealed, and what was only said of it, as such.
 * @throws LineageIncompleteError naming everything that should have been seen and was not.
 */
export function sealImport(evidence: ImportEvidence): SealedImport {
  const { definition, environmentSha256, evaluatedOn, evaluation, file, trainerMetrics } = evidence;
  const missing = missingOf(evidence);
  if (missing.length > 0 || !evaluation || !trainerMetrics || environmentSha256 === undefined) {
    throw new LineageIncompleteError(definition.name, missing);
  }
  const { declared, ...seen } = file;
  const metrics = versionMetrics(evaluation, trainerMetrics);
  const { manifest: _, ...data } = evaluatedOn ?? { manifest: undefined };
  return {
    metrics,
    lineage: {
      data: said(declared.data),
      code: said(declared.code),
      hyperparameters: said(declared.hyperparameters),
      environment: said(declared.environment),
      metrics: metricsAnswer(metrics, declared.metrics),
    },
    imported: {
      ...seen,
      modelHash: modelHash(definition),
      trainerSha256: evidence.trainerSha256,
      trainingImage: evidence.trainingImage,
      environmentSha256,
      ...('snapshotId' in data && { evaluatedOn: data }),
    },
  };
}
