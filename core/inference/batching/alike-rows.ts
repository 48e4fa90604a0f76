import type { ModelInput } from '../versions/loaded-version.ts';

type Features = Extract<ModelInput, { kind: 'features' }>;

/** Rows in another order, and the way back. */
export interface OrderedRows {
  readonly input: Features;
  /** What was computed of each row, in the order that the rows came in. */
  restored(values: Float32Array): Float32Array;
}

const keyBits = 32;
const mostBitsOfFeature = 8;

/** Of each level of a feature the bits that it sets in a key: the features take turns, the highest bits first. */
function spreadLevels(bits: number, features: number, feature: number): Uint32Array {
  return Uint32Array.from({ length: 2 ** bits }, (_, level) => {
    let spread = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      if ((level >> bit) & 1) spread += 2 ** (bit * features + features - 1 - feature);
    }
    return spread;
  });
}

/** Sets in each row's key its level of one feature, of those between the smallest and the largest value. */
function setLevels(keys: Uint32Array, { features }: Features, at: number, spread: Uint32Array) {
  const width = features.length / keys.length;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = at; i < features.length; i += width) {
    const value = features[i] as number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = (spread.length - 1) / (high - low);
  // All are the same, or missing, or some are infinite: rows are not told apart by it.
  if (!Number.isFinite(scale) || scale <= 0) return;
  for (let row = 0, i = at; row < keys.length; row += 1, i += width) {
    // A missing value is NaN, which becomes the level 0.
    const level = (((features[i] as number) - low) * scale + 0.5) | 0;
    keys[row] = (keys[row] as number) | (spread[level] as number);
  }
}

const digitBits = 11;
const mostDigit = 2 ** digitBits - 1;

/** Puts places into the order of one digit of their keys, those of equal digits as they were. */
function sortByDigit(keys: Uint32Array, places: Uint32Array, shift: number): Uint32Array {
  const starts = new Uint32Array(mostDigit + 2);
  for (let i = 0; i < keys.length; i += 1) {
    const after = (((keys[i] as number) >>> shift) & mostDigit) + 1;
    starts[after] = (starts[after] as number) + 1;
  }
  for (let i = 1; i < starts.length; i += 1) {
    starts[i] = (starts[i] as number) + (starts[i - 1] as number);
  }
  const sorted = new Uint32Array(places.length);
  for (let i = 0; i < places.length; i += 1) {
    const place = places[i] as number;
    const digit = ((keys[place] as number) >>> shift) & mostDigit;
    const at = starts[digit] as number;
    starts[digit] = at + 1;
    sorted[at] = place;
  }
  return sorted;
}

/** The places of keys in their order, those of equal keys as they were (a radix sort: no two are compared). */
export function orderOf(keys: Uint32Array): Uint32Array {
  let places: Uint32Array = new Uint32Array(keys.length);
  for (let i = 0; i < places.length; i += 1) places[i] = i;
  for (let shift = 0; shift < 32; shift += digitBits) places = sortByDigit(keys, places, shift);
  return places;
}

/**
 * Makes what brings rows that are alike near each other (a Z-order over the first features). Trees are walked
 * in as little as half the time that way: a row takes mostly the branches that the row before took, so the
 * processor foresees them and has them at hand. No row's own numbers are touched.
 * @param width how many features a row has
 */
export function alikeRowsTogether(width: number): (input: Features) => OrderedRows {
  const counted = Math.min(width, keyBits);
  const bits = Math.min(Math.floor(keyBits / counted), mostBitsOfFeature);
  const spreads = Array.from({ length: counted }, (_, i) => spreadLevels(bits, counted, i));
  return (input) => {
    const { features, rows } = input;
    const keys = new Uint32Array(rows);
    for (const [feature, spread] of spreads.entries()) setLevels(keys, input, feature, spread);
    const order = orderOf(keys);
    const ordered = new Float32Array(features.length);
    for (let at = 0, to = 0; at < rows; at += 1) {
      const from = (order[at] as number) * width;
      for (let i = 0; i < width; i += 1, to += 1) ordered[to] = features[from + i] as number;
    }
    return {
      input: { kind: 'features', rows, features: ordered },
      restored(values) {
        const restored = new Float32Array(values.length);
        for (let at = 0; at < rows; at += 1) restored[order[at] as number] = values[at] as number;
        return restored;
      },
    };
  };
}
