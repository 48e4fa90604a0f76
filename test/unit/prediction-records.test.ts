import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loggedLines, loggedRecords } from '../../core/inference/log/log-sampling.ts';
import { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { instancesParser } from '../../core/inference/parse-instances.ts';
import { predictRows } from '../../core/inference/predict.ts';
import { askV1 } from '../../core/inference/protocols/v1.ts';
import { askV2 } from '../../core/inference/protocols/v2.ts';
import type { SignatureColumn } from '../../core/inference/signature.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';
import { featureSpec, signature } from '../builders/model-version.ts';

const number = (name: string, changes: Partial<SignatureColumn> = {}): SignatureColumn => ({
  ...{ name, type: 'number', nullable: true, sensitive: false },
  ...changes,
});

interface Shape {
  readonly secret: readonly boolean[];
  readonly logs: boolean;
  readonly entity: string | undefined;
}

/** Numbers called as JSON must quote, of which some are secret, and one feature may be computed. */
function versionOf({ secret, logs, entity }: Shape): LoadedVersion {
  const names = ['a "quoted"', 'b\u2028', 'constructor'];
  const inputs = names.map((name, i) => number(name, { sensitive: secret[i] ?? false }));
  const [feature] = featureSpec().features;
  if (!feature) throw new Error('unreachable');
  const spec = {
    ...featureSpec(),
    features: names.map((column, i) => ({
      ...feature,
      ...{ name: `of ${column}`, column, transform: logs && i === 1 ? 'log1p' : 'numeric' },
    })),
  } as LoadedVersion['spec'];
  const described = {
    ...signature(),
    inputs,
    passthrough: [
      number('key', { type: 'string' }),
      number('seen', { type: 'boolean', sensitive: secret[3] ?? false }),
    ],
    ...(entity !== undefined && { entityKey: entity }),
  };
  if (entity === undefined) delete (described as { entityKey?: string }).entityKey;
  return {
    ...{ model: 'parcel-weight', version: 7, spec, signature: described },
    identity: { modelSha256: 'aa', featuresSha256: 'bb' },
    parse: instancesParser(described),
    session: {
      run: async ({ rows }) => ({
        predictions: Float32Array.from({ length: rows }, (_, row) => 0.1 * row),
        details: Array.from({ length: rows }, (_, row) => (row % 2 ? { why: ['"', row] } : null)),
      }),
      release: async () => undefined,
    },
  };
}

const value = fc.option(
  fc.oneof(fc.double({ min: -1e30, max: 1e30, noNaN: true }), fc.integer(), fc.constant(-0)),
);
const shape = fc.record({
  secret: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  logs: fc.boolean(),
  entity: fc.constantFrom('key', 'constructor', undefined),
});
const rows = fc.array(fc.tuple(value, value, value, fc.option(fc.string())), {
  minLength: 1,
  maxLength: 4,
});

/** The same rows as each protocol has them. */
const forms = {
  'V1 instances': (version: LoadedVersion, matrix: readonly (readonly unknown[])[]) => {
    const names = [...version.signature.inputs.map(({ name }) => name), 'key'];
    // In the order of the columns, whatever they are called.
    const written = matrix.map(
      (row) => `{${names.map((name, i) => `${JSON.stringify(name)}:${JSON.stringify(row[i])}`)}}`,
    );
    return askV1(version, Buffer.from(`{"instances": [${written}]}`));
  },
  'one tensor': (version: LoadedVersion, matrix: readonly (readonly unknown[])[]) => {
    const inputs = [
      {
        ...{ name: 'instances', datatype: 'FP32', shape: [matrix.length, 3] },
        data: matrix.map((row) => row.slice(0, 3)),
      },
      {
        ...{ name: 'key', datatype: 'BYTES', shape: [matrix.length] },
        data: matrix.map((row) => row[3]),
      },
    ];
    const body = Buffer.from(JSON.stringify({ inputs }));
    return askV2(version, { method: 'POST', path: '', headers: {}, body, requestId: 'r' });
  },
};

test.each(Object.entries(forms))(
  'the lines of a prediction are its records: %s',
  async (_, form) => {
    await fc.assert(
      fc.asyncProperty(shape, rows, fc.boolean(), async (described, matrix, isParity) => {
        const version = versionOf(described);
        const { instances } = form(version, matrix);
        const prediction = await predictRows(version, {
          ...{ instances, requestId: 'r "1"', variant: 'former' },
          ...(isParity && { purpose: 'parity' }),
        });
        const records = prediction.records();
        expect(prediction.lines().map((line) => JSON.parse(line))).toEqual(
          records.map((record) => JSON.parse(JSON.stringify(record))),
        );
        for (const record of records) expect(PredictionRecord.parse(record)).toEqual(record);
        const secrets = version.signature.inputs.filter(({ sensitive }) => sensitive);
        for (const { name } of secrets) {
          expect(prediction.lines()[0]).not.toContain(`${JSON.stringify(name)}:`);
          expect(prediction.lines()[0]).not.toContain(`${JSON.stringify(`of ${name}`)}:`);
        }
      }),
      { numRuns: 300 },
    );
  },
);

test('a share of the requests has as many lines as records, which say the share', async () => {
  const version = versionOf({ secret: [], logs: false, entity: undefined });
  for (let i = 0; i < 50; i += 1) {
    const { instances } = forms['one tensor'](version, [[1, 2, 3, 'k']]);
    const prediction = await predictRows(version, { instances, requestId: 'r' });
    const lines = loggedLines(prediction, 0.5).map((line) => JSON.parse(line));
    expect(lines).toEqual(loggedRecords(prediction, 0.5));
  }
});
