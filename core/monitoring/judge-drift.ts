import type { MonitoringSection } from '../model/monitoring-section.ts';
import { compareShapes, histogram } from './compare-distributions.ts';
import type { Drift, DriftReport, DriftStatus, FeatureDrift } from './drift-report.ts';
import { benjaminiHochberg, twoProportionTest } from './drift-statistics.ts';
import {
  type CellCounts,
  type Distribution,
  isCalendar,
  type ReferenceProfile,
} from './profile.ts';

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;
const shown = (value: number): string => String(Number(value.toPrecision(3)));

interface Compared {
  readonly distribution: Distribution;
  readonly current: CellCounts;
  readonly rows: Drift['rows'];
  readonly shape: ReturnType<typeof compareShapes> | null;
  readonly missing: Omit<NonNullable<Drift['missing']>, 'adjustedPValue'> | null;
}

function compare(
  distribution: Distribution,
  current: CellCounts,
  { minimumRows }: MonitoringSection,
): Compared {
  const { reference } = distribution;
  const rows = { reference: total(reference.counts), current: total(current.counts) };
  const n = rows.reference + reference.missing;
  const m = rows.current + current.missing;
  const { missing: lacking } = reference;
  return {
    distribution,
    current,
    rows,
    shape:
      Math.min(rows.reference, rows.current) < minimumRows
        ? null
        : compareShapes(distribution, current.counts),
    missing:
      Math.min(n, m) < minimumRows
        ? null
        : {
            reference: lacking / n,
            current: current.missing / m,
            pValue: twoProportionTest(lacking, n, current.missing, m).pValue,
          },
  };
}

type Judged = Pick<Drift, 'shape' | 'missing' | 'rows'>;

/** Drift is what is both certain and large; the reasons tell how large. */
function reasonsOf({ shape, missing }: Judged, policy: MonitoringSection): string[] {
  const reasons: string[] = [];
  if (shape && shape.adjustedPValue <= policy.significance && shape.psi >= policy.psiThreshold) {
    reasons.push(`PSI ${shown(shape.psi)} is at least ${policy.psiThreshold}`);
  }
  if (missing && missing.adjustedPValue <= policy.significance) {
    const change = Math.abs(missing.current - missing.reference);
    if (change >= policy.missingShareThreshold) {
      reasons.push(
        `${percent(missing.current)} are missing, of the reference ${percent(missing.reference)}`,
      );
    }
  }
  return reasons;
}

function verdict(judged: Judged, policy: MonitoringSection): Pick<Drift, 'status' | 'text'> {
  const reasons = reasonsOf(judged, policy);
  if (reasons.length > 0) return { status: 'drifted', text: reasons.join('; ') };
  const { reference, current } = judged.rows;
  if (!judged.shape || !judged.missing) {
    const text = `${current} rows with a value, of the reference ${reference}; ${policy.minimumRows} of each are needed`;
    return { status: 'insufficient_data', text };
  }
  return {
    status: 'ok',
    text: `PSI ${shown(judged.shape.psi)}, adjusted p ${shown(judged.shape.adjustedPValue)}`,
  };
}

/** Judges some distributions together: their p-values are adjusted for how many there are. */
function judgeFamily(family: readonly Compared[], policy: MonitoringSection): Drift[] {
  const pValues = family.flatMap(({ shape, missing }) => [
    ...(shape ? [shape.pValue] : []),
    ...(missing ? [missing.pValue] : []),
  ]);
  const adjusted = benjaminiHochberg(pValues).values();
  const next = (): number => Math.min(adjusted.next().value ?? 1, 1);
  return family.map((compared) => {
    const judged = {
      rows: compared.rows,
      shape: compared.shape && { ...compared.shape, adjustedPValue: next() },
      missing: compared.missing && { ...compared.missing, adjustedPValue: next() },
    };
    const bars = histogram(compared.distribution, compared.current.counts);
    return { ...verdict(judged, policy), ...judged, bars };
  });
}

function overall(features: readonly FeatureDrift[]): DriftStatus {
  const alarmed = features.filter((feature) => feature.alarmed);
  if (alarmed.some(({ status }) => status === 'drifted')) return 'drifted';
  const judged = alarmed.length > 0 && alarmed.every(({ status }) => status === 'ok');
  return judged ? 'ok' : 'insufficient_data';
}

function worstOf(features: readonly FeatureDrift[]): DriftReport['worst'] {
  let worst: DriftReport['worst'] = null;
  for (const { name, alarmed, shape } of features) {
    if (alarmed && shape && shape.psi > (worst?.psi ?? -1))
      worst = { feature: name, psi: shape.psi };
  }
  return worst;
}

/** What a window's rows were counted to, in the cells of the profile. */
export interface WindowCounts {
  /** One per feature of the profile, in its order. */
  readonly features: readonly CellCounts[];
  readonly prediction: CellCounts;
}

/**
 * Compares a window with the reference. A feature has drifted where the change is significant after
 * adjustment for the number of tests and at least as large as the thresholds; the prediction is judged by
 * itself.
 */
export function judgeDrift(
  profile: ReferenceProfile,
  window: WindowCounts,
  policy: MonitoringSection,
): Pick<DriftReport, 'status' | 'drifted' | 'worst' | 'features' | 'prediction'> {
  const compared = profile.features.map(({ distribution, transform }, i) => {
    const none = { counts: distribution.reference.counts.map(() => 0), missing: 0 };
    return {
      alarmed: !isCalendar(transform),
      ...compare(distribution, window.features[i] ?? none, policy),
    };
  });
  const alarmed = judgeFamily(
    compared.filter((one) => one.alarmed),
    policy,
  ).values();
  const reported = judgeFamily(
    compared.filter((one) => !one.alarmed),
    policy,
  ).values();
  const features = profile.features.flatMap(({ name, transform }): FeatureDrift[] => {
    const calendar = isCalendar(transform);
    const { value } = (calendar ? reported : alarmed).next();
    return value ? [{ name, alarmed: !calendar, ...value }] : [];
  });
  const [prediction] = judgeFamily(
    [compare(profile.prediction, window.prediction, policy)],
    policy,
  );
  if (!prediction) throw new RangeError('a family of one is judged to one');
  return {
    status: overall(features),
    drifted: features
      .filter((feature) => feature.alarmed && feature.status === 'drifted')
      .map(({ name }) => name),
    worst: worstOf(features),
    features,
    prediction,
  };
}
