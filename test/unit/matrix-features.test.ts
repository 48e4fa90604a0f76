import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FittedFeature } from '../../core/features/feature-spec.ts';
import type { EndpointRequest } from '../../core/inference/http-messages.ts';
import type { Instances } from '../../core/inference/instances.ts';
import { instancesParser } from '../../core/inference/parse-instances.ts';
import { predictRows } from '../../core/inference/predict.ts';
import { askV1 } from '../../core/inference/protocols/v1.ts';
import { askV2 } from '../../core/inference/protocols/v2.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';
import { featureSpec, signature } from '../builders/model-version.ts';

const names = ['a', 'b', 'c'];

/** Three numbers, one of them whole, from which features are computed in some order. */
function versionOf(
  features: readonly (readonly [string, FittedFeature['transform']])[],
  ran: (features: Float32Array) => void,
): LoadedVersion {
  const described = {
    ...signature(),
    inputs: names.map((name) => ({
      ...({ name, type: name === 'b' ? 'integer' : 'number' } as const),
      ...{ nullable: true, sensitive: false },
    })),
  };
  return {
    ...{ model: 'm', version: 1, signature: described, parse: instancesParser(described) },
    identity: { modelSha256: 'aa', featuresSha256: 'bb' },
    spec: {
      ...featureSpec('m'),
      features: features.map(([column, transform], i) => ({
        ...{ name: `f${i}`, column, transform, columnType: 'number', kind: 'numeric' },
      })),
    },
    session: {
      run: async (input) => {
        if (input.kind !== 'features') throw new Error('unreachable');
        ran(input.features.slice());
        return { predictions: new Float32Array(input.rows) };
      },
      release: async () => undefined,
    },
  };
}

type Row = readonly (number | null)[];

const request = (body: Buffer, headers = {}): EndpointRequest => ({
  ...{ method: 'POST', path: '', requestId: 'r' },
  ...{ body, headers },
});

function asTensor(
  version: LoadedVersion,
  datatype: 'FP32' | 'FP64',
  rows: readonly Row[],
): Instances {
  const input = { name: 'instances', datatype, shape: [rows.length, names.length], data: rows };
  return askV2(version, request(Buffer.from(JSON.stringify({ inputs: [input] })))).instances;
}

function asBytes(
  version: LoadedVersion,
  datatype: 'FP32' | 'FP64',
  rows: readonly Row[],
): Instances {
  const numbers = rows.flat().map((value) => value ?? Number.NaN);
  const bytes = Buffer.from(
    (datatype === 'FP32' ? Float32Array.from(numbers) : Float64Array.from(numbers)).buffer,
  );
  const parameters = { binary_data_size: bytes.length };
  const input = { name: 'instances', datatype, shape: [rows.length, names.length], parameters };
  const json = Buffer.from(JSON.stringify({ inputs: [input] }));
  const headers = { 'inference-header-content-length': String(json.length) };
  return askV2(version, request(Buffer.concat([json, bytes]), headers)).instances;
}

function asObjects(version: LoadedVersion, rows: readonly Row[]): Instances {
  const instances = rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i]])));
  return askV1(version, Buffer.from(JSON.stringify({ instances }))).instances;
}

const features = fc.array(
  fc.tuple(fc.constantFrom(...names), fc.constantFrom('numeric', 'log1p', 'isMissing')),
  { minLength: 1, maxLength: 5 },
) as fc.Arbitrary<(readonly [string, FittedFeature['transform']])[]>;

test.each([
  ['FP32', fc.float({ noNaN: true, noDefaultInfinity: true })],
  ['FP64', fc.double({ min: -3e38, max: 3e38, noNaN: true })],
] as const)(
  'a matrix in %s gives the features of its rows, bit by bit',
  async (datatype, number) => {
    // JSON.stringify writes -0 as 0.
    const numbers = (number as fc.Arbitrary<number>).map((value) => value + 0);
    const row = fc.tuple(
      fc.option(numbers),
      fc.option(fc.integer({ min: -(2 ** 24), max: 2 ** 24 })),
      fc.option(numbers),
    );
    await fc.assert(
      fc.asyncProperty(
        features,
        fc.array(row, { minLength: 1, maxLength: 4 }),
        async (spec, rows) => {
          // All of them, as they are and in their order, is a way of its own.
          for (const declared of [spec, names.map((name) => [name, 'numeric'] as const)]) {
            const ran: Float32Array[] = [];
            const version = versionOf(declared, (found) => ran.push(found));
            for (const instances of [
              asObjects(version, rows),
              asTensor(version, datatype, rows),
              asBytes(version, datatype, rows),
            ]) {
              await predictRows(version, { instances, requestId: 'r' });
            }
            const [byRow, ...byMatrix] = ran.map((found) =>
              Buffer.from(found.buffer).toString('hex'),
            );
            expect(byMatrix).toEqual([byRow, byRow]);
          }
        },
      ),
      { numRuns: 300 },
    );
  },
);
