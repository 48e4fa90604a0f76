import type { TrainingSection } from '../model/training-section.ts';

/**
 * On-demand list prices of SageMaker training in us-east-1, USD an hour, as of 2025
 * (https://aws.amazon.com/sagemaker/ai/pricing/). They are what a budget is kept with, not what a bill says:
 * other regions are dearer, and prices change. training.pricePerHourUsd says what a team really pays.
 */
const usdPerHour: Readonly<Record<string, number>> = {
  'ml.m5.large': 0.115,
  'ml.m5.xlarge': 0.23,
  'ml.m5.2xlarge': 0.461,
  'ml.m5.4xlarge': 0.922,
  'ml.m5.12xlarge': 2.765,
  'ml.m5.24xlarge': 5.53,
  'ml.c5.xlarge': 0.204,
  'ml.c5.2xlarge': 0.408,
  'ml.c5.4xlarge': 0.816,
  'ml.c5.9xlarge': 1.836,
  'ml.c5.18xlarge': 3.672,
  'ml.r5.large': 0.151,
  'ml.r5.xlarge': 0.302,
  'ml.r5.2xlarge': 0.605,
  'ml.r5.4xlarge': 1.21,
  'ml.r5.8xlarge': 2.419,
  'ml.r5.12xlarge': 3.629,
  'ml.g4dn.xlarge': 0.736,
  'ml.g4dn.2xlarge': 0.94,
  'ml.g5.xlarge': 1.408,
  'ml.g5.2xlarge': 1.515,
  'ml.p3.2xlarge': 3.825,
};

/** The types whose price is known without being told. */
export const pricedInstanceTypes: readonly string[] = Object.keys(usdPerHour);

type Priced = Pick<TrainingSection, 'instanceType' | 'pricePerHourUsd'>;

/** What an hour of a model's training costs; undefined where nobody said so. */
export const pricePerHourUsd = (training: Priced): number | undefined =>
  training.pricePerHourUsd ?? usdPerHour[training.instanceType];

/** What a training costs at most: all the time it may have, at the full price. */
export function worstCaseUsd(
  training: Priced & Pick<TrainingSection, 'maxRuntimeSeconds'>,
): number | undefined {
  const price = pricePerHourUsd(training);
  return price === undefined ? undefined : costUsd(price, training.maxRuntimeSeconds);
}

/** To a millionth of a dollar, so that sums stay exact enough to compare. */
export const costUsd = (usdAnHour: number, seconds: number): number =>
  roundedUsd((usdAnHour * seconds) / 3_600);
export const roundedUsd = (usd: number): number => Math.round(usd * 1e6) / 1e6;
