/** The registry has no such version of the model. */
export class ModelVersionNotFoundError extends Error {
  override readonly name = 'ModelVersionNotFoundError';

  constructor(model: string, version: number) {
    super(`${model} has no version ${version}; \`slipway models\` lists the versions there are`);
  }
}

/** The registry has no such run of the model. */
export class RunNotFoundError extends Error {
  override readonly name = 'RunNotFoundError';

  constructor(model: string, runId: string) {
    super(`${model} has no run ${runId}; \`slipway status\` lists the runs there are`);
  }
}

/** A version is refused, because one of the five answers of its lineage is missing or contradicts. */
export class LineageIncompleteError extends Error {
  override readonly name = 'LineageIncompleteError';
  readonly missing: readonly string[];

  constructor(model: string, missing: readonly string[]) {
    super(
      `no version of ${model} was registered, because its lineage is incomplete:\n${missing
        .map((line) => `  - ${line}`)
        .join('\n')}`,
    );
    this.missing = missing;
  }
}

/** An artifact's bytes after copying are not the bytes that were hashed before. */
export class ArtifactCorruptedError extends Error {
  override readonly name = 'ArtifactCorruptedError';

  constructor(key: string, expected: string, received: string) {
    super(
      `${key} has SHA-256 ${received} after copying, not ${expected}; retry the run from RegisterVersion`,
    );
  }
}
