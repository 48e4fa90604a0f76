import { createHash } from 'node:crypto';

/** The hashes of what turns a row into an answer, as they were verified when the version was loaded. */
export interface AnswerIdentity {
  /** SHA-256 of model.onnx, hex. */
  readonly modelSha256: string;
  /** SHA-256 of features.json, hex: every transform and what it learned. */
  readonly featuresSha256: string;
}

/** IEEE 754 knows many NaN; this one stands for all. */
const quietNan = 0x7fc0_0000;

/**
 * One key per row: SHA-256 of the graph's hash, the features' hash and the row as the graph sees it, so
 * that an entry says what it answers and under which version. All parts but the row have one length, and
 * a version's rows have one width: no two inputs are written as the same bytes.
 * @param features row-major, NaN = missing
 */
export function predictionKeys(
  { modelSha256, featuresSha256 }: AnswerIdentity,
  features: Float32Array,
  rows: number,
): string[] {
  const width = features.length / rows;
  const version = createHash('sha256').update(modelSha256, 'hex').update(featuresSha256, 'hex');
  const row = Buffer.alloc(width * 4);
  return Array.from({ length: rows }, (_, index) => {
    for (let column = 0; column < width; column += 1) {
      const value = features[index * width + column] ?? Number.NaN;
      if (Number.isNaN(value)) row.writeUInt32LE(quietNan, column * 4);
      else row.writeFloatLE(value, column * 4);
    }
    return version.copy().update(row).digest('base64url');
  });
}
