import type { FeatureSpec, FittedFeature } from './feature-spec.ts';
import {
  type CodedColumn,
  type ColumnValues,
  type ManyRows,
  type RawValue,
  timestampMicros,
} from './raw-values.ts';

/** Where a feature's numbers go: from a place on, with so many places from one row to the next. */
interface Target {
  readonly numbers: Float32Array;
  readonly from: number;
  readonly step: number;
}

/** One feature of every row: FP32, NaN = missing. */
type Computation = (values: ColumnValues, rows: number, target: Target) => void;

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
  const ofValue = (value: RawValue | undefined): number =>
    noValue(value) ? ofMissing : toNumber(value);
  return (values, rows, { numbers, from, step }) => {
    let at = from;
    if (isCoded(values)) {
      const ofCode = Float32Array.from(values.values, ofValue);
      for (let row = 0; row < rows; row += 1, at += step) {
        numbers[at] = ofCode[values.codes[row] ?? -1] ?? ofMissing;
      }
      return;
    }
    for (let row = 0; row < rows; row += 1, at += step) numbers[at] = ofValue(values[row]);
  };
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

const missing: readonly RawValue[] = [];

/**
 * The model's input of raw rows: one FP32 column per feature, in the order of the spec, NaN = missing.
 * The pipeline and the endpoint both call it, so that equal raw values give equal bits.
 */
export function computeFeatureColumns(
  spec: FeatureSpec,
  columns: ManyRows,
  rows: number,
): Float32Array[] {
  return computationsOf(spec).map((compute, index) => {
    const numbers = new Float32Array(rows);
    const values = columns[spec.features[index]?.column ?? ''] ?? missing;
    compute(values, rows, { numbers, from: 0, step: 1 });
    return numbers;
  });
}

/** The same row by row: the values of a row's features lie next to each other. */
export function computeFeatures(
  spec: FeatureSpec,
  { rows, columns }: { readonly rows: number; readonly columns: ManyRows },
): Float32Array {
  const computations = computationsOf(spec);
  const step = computations.length;
  const numbers = new Float32Array(rows * step);
  for (let from = 0; from < step; from += 1) {
    const values = columns[spec.features[from]?.column ?? ''] ?? missing;
    computations[from]?.(values, rows, { numbers, from, step });
  }
  return numbers;
}
