/**
 * Probabilities of the far end of distributions, accurate relative to themselves: what is 1e-30 is not
 * rounded to 0, as 1 − cdf(x) would be.
 */

const smallest = 1e-17;

/** Σ of erf's series whose terms are all positive (Abramowitz and Stegun 7.1.6); good below 2. */
function erfBySeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > smallest * sum; n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** Laplace's continued fraction (Abramowitz and Stegun 7.1.14), from its 120th level up; good from 2. */
function erfcByFraction(x: number): number {
  let fraction = x;
  for (let level = 120; level >= 1; level -= 1) fraction = x + level / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

/** Complementary error function of x ≥ 0. */
const erfc = (x: number): number => (x < 2 ? 1 - erfBySeries(x) : erfcByFraction(x));

/** P(|Z| ≥ |z|) of a standard normal Z. */
export const normalTwoSided = (z: number): number => erfc(Math.abs(z) / Math.SQRT2);

/**
 * P(X ≥ x) of a chi-square with a whole number of degrees of freedom: the finite sums of Abramowitz and
 * Stegun 26.4.4 and 26.4.5. With none, X is 0.
 */
export function chiSquareTail(x: number, degreesOfFreedom: number): number {
  if (x <= 0) return 1;
  if (degreesOfFreedom === 0) return 0;
  const half = x / 2;
  const odd = degreesOfFreedom % 2 === 1;
  let sum = odd ? erfc(Math.sqrt(half)) : 0;
  // Terms as logarithms, because exp(−x/2) alone may be less than any number there is.
  let term = odd ? -half + Math.log(half) / 2 - Math.log(Math.PI) / 2 + Math.LN2 : -half;
  for (let n = odd ? 3 : 2; n <= degreesOfFreedom; n += 2) {
    sum += Math.exp(term);
    term += Math.log(x / n);
  }
  return Math.min(sum, 1);
}

/** P(K ≥ x) of Kolmogorov's limiting distribution; below 1 by its theta-function form (Feller 1948). */
export function kolmogorovTail(x: number): number {
  if (x <= 0) return 1;
  let sum = 0;
  if (x < 1) {
    for (let k = 1; k <= 9; k += 2) sum += Math.exp(-((k * Math.PI) ** 2) / (8 * x * x));
    return 1 - (Math.sqrt(2 * Math.PI) / x) * sum;
  }
  for (let k = 1; k <= 9; k += 1) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * (k * x) ** 2);
  return sum;
}
