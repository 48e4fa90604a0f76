import type { FeatureSpec, FittedFeature } from './feature-spec.ts';
import {
  type CodedColumn,
  type ColumnValues,
  type ManyRows,
  type RawValue,
  timestampMicros,
} from './raw-values.ts';

/** One feature of every row: FP32, NaN = missing. */
type Computation = (values: ColumnValues, rows: number) => Float32Array;

const dayMicros = 86_400_000_000;
const hourMicros = 3_600_000_000;

const isCoded = (values: ColumnValues): values is CodedColumn => 'codes' in values;

const noValue = (value: RawValue | undefined): value is null | undefined =>
  value === null || value === undefined || Number.isNaN(value);

/** @param ofMissing what a row without a value has */
function eachValue(
  toNumber: (value: Exclude<RawValue, null>) => number,
  ofMissing = Number.NaN,
): Computation {
  const compute: Computation = (values, rows) => {
    if (isCoded(values)) {
      const ofCode = compute(values.values, values.values.length);
      return Float32Array.from(values.codes, (code) => ofCode[code] ?? ofMissing);
    }
    const numbers = new Float32Array(rows);
    for (let row = 0; row < rows; row += 1) {
      const value = values[row];
      numbers[row] = noValue(value) ? ofMissing : toNumber(value);
    }
    return numbers;
  };
  return compute;
}

const numberOf = (value: Exclude<RawValue, null>): number =>
  typeof value === 'string' ? Number.NaN : Number(value);

const ofInstant = (part: (micros: number) => number): Computation =>
  eachValue((value) => {
    const micros = typeof value === 'string' ? timestampMicros(value) : value;
    return typeof micros === 'number' && Number.isSafeInteger(micros) ? part(micros) : Number.NaN;
  });

const modulo = (value: number, divisor: number): number => ((value % divisor) + divisor) % divisor;

/** 1970-01-01 was a Thursday, the fourth day of a week that starts on Monday. */
const dayOfWeek = (micros: number): number => modulo(Math.floor(micros / dayMicros) + 3, 7) + 1;

const computations: Record<
  Exclude<FittedFeature['transform'], 'categorical' | 'isMissing'>,
  Computation
> = {
  numeric: eachValue(numberOf),
  log1p: eachValue((value) => {
    const number = numberOf(value);
    // Where there is no logarithm there is no value, as with -1, whose logarithm is infinite.
    return number > -1 ? Math.log1p(number) : Number.NaN;
  }),
  dayOfWeek: ofInstant(dayOfWeek),
  month: ofInstant((micros) => new Date(Math.floor(micros / 1000)).getUTCMonth() + 1),
  hourOfDay: ofInstant((micros) => Math.floor(modulo(micros, dayMicros) / hourMicros)),
};

function computation(feature: FittedFeature): Computation {
  if (feature.transform === 'isMissing') return eachValue(() => 0, 1);
  if (feature.transform === 'categorical') {
    const codes = new Map(feature.vocabulary?.map((value, code) => [value, code]));
    return eachValue((value) => codes.get(value) ?? Number.NaN);
  }
  return computations[feature.transform];
}

const compiled = new WeakMap<FeatureSpec, readonly Computation[]>();

function computationsOf(spec: FeatureSpec): readonly Computation[] {
  let known = compiled.get(spec);
  if (!known) {
    known = spec.features.map(computation);
    compiled.set(spec, known);
  }
  return known;
}

/**
 * The model's input of raw rows: one FP32 column per feature, in the order of the spec, NaN = missing.
 * The pipeline and the endpoint both call it, so that equal raw values give equal bits.
 */
export function computeFeatureColumns(
  spec: FeatureSpec,
  columns: ManyRows,
  rows: number,
): Float32Array[] {
  const missing: readonly RawValue[] = [];
  return computationsOf(spec).map((compute, index) =>
    compute(columns[spec.features[index]?.column ?? ''] ?? missing, rows),
  );
}

/** The same row by row: the values of a row's features lie next to each other. */
export function computeFeatures(
  spec: FeatureSpec,
  instances: { readonly rows: number; readonly columns: ManyRows },
): Float32Array {
  const features = computeFeatureColumns(spec, instances.columns, instances.rows);
  const width = features.length;
  const vector = new Float32Array(instances.rows * width);
  for (const [index, values] of features.entries()) {
    for (let row = 0; row < instances.rows; row += 1) {
      vector[row * width + index] = values[row] ?? Number.NaN;
    }
  }
  return vector;
}
