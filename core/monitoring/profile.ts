import * as z from 'zod';
import { Sha256 } from '../datasets/snapshot.ts';
import { FeatureSpec } from '../features/feature-spec.ts';
import type { DeclaredFeature } from '../model/features-section.ts';
import { cellFinder, NumericCells, numberOfCells } from './quantile-cells.ts';

/**
 * Cells of categories: one per value, by its code, then `__other__` (further values of the vocabulary)
 * and `__new__` (values that are not in it).
 */
export const CategoryCells = z.strictObject({
  kind: z.literal('categorical'),
  values: z.array(z.union([z.string(), z.number(), z.boolean()])),
});
export type CategoryCells = z.infer<typeof CategoryCells>;

export const Cells = z.discriminatedUnion('kind', [NumericCells, CategoryCells]);
export type Cells = z.infer<typeof Cells>;

/** How many rows fell into each cell, and how many had no (finite) value. */
export const CellCounts = z.strictObject({
  counts: z.array(z.int().nonnegative()),
  missing: z.int().nonnegative(),
});
export type CellCounts = z.infer<typeof CellCounts>;

/** A distribution of the reference. */
export const Distribution = z
  .strictObject({ cells: Cells, reference: CellCounts })
  .refine(({ cells, reference }) => reference.counts.length === cellCount(cells), {
    error: 'there is one count per cell',
  });
export type Distribution = z.infer<typeof Distribution>;

const FeatureDistribution = z.strictObject({
  name: z.string(),
  /** Raw column that the feature is computed from. */
  column: z.string(),
  transform: FeatureSpec.shape.features.element.shape.transform,
  distribution: Distribution,
});
export type FeatureDistribution = z.infer<typeof FeatureDistribution>;

/** Of the training rows, written with their features. Features of sensitive columns are not in it. */
export const TrainingProfile = z.strictObject({
  model: z.string(),
  specHash: Sha256,
  rows: z.int().positive(),
  features: z.array(FeatureDistribution),
  label: Distribution,
});
export type TrainingProfile = z.infer<typeof TrainingProfile>;

/** profile.json of a version: the training rows, and the version's predictions of the holdout. */
export const ReferenceProfile = TrainingProfile.extend({ prediction: Distribution });
export type ReferenceProfile = z.infer<typeof ReferenceProfile>;

export const profileCells = 256;
/** Most frequent values that have a cell of their own. */
export const profileCategories = 100;

const calendar: ReadonlySet<DeclaredFeature['transform']> = new Set([
  'dayOfWeek',
  'month',
  'hourOfDay',
]);
/** A window never has the reference's mix of days and hours: such features are reported, not alarmed. */
export const isCalendar = (transform: DeclaredFeature['transform']): boolean =>
  calendar.has(transform);

export const cellCount = (cells: Cells): number =>
  cells.kind === 'numeric' ? numberOfCells(cells) : cells.values.length + 2;

/** The cells of a categorical feature with this vocabulary, most frequent value first. */
export const categoryCells = (vocabulary: CategoryCells['values']): CategoryCells => ({
  kind: 'categorical',
  values: vocabulary.slice(0, profileCategories),
});

/** What a value may be beside a number or a code: nothing was sent, or nothing that the vocabulary has. */
export type CellValue = number | 'missing' | 'unknown';

function categoryFinder({
  values,
}: CategoryCells): (value: number | 'unknown') => number | undefined {
  return (value) => {
    if (value === 'unknown') return values.length + 1;
    return Number.isFinite(value) ? Math.min(value, values.length) : undefined;
  };
}

function numberFinder(cells: NumericCells): (value: number | 'unknown') => number | undefined {
  const find = cellFinder(cells);
  return (value) => (typeof value === 'number' && Number.isFinite(value) ? find(value) : undefined);
}

/** Counts values into cells; as often as wanted, in any order. */
export function cellCounter(cells: Cells) {
  const counts = new Array<number>(cellCount(cells)).fill(0);
  let missing = 0;
  const find = cells.kind === 'numeric' ? numberFinder(cells) : categoryFinder(cells);
  return {
    add(value: CellValue): void {
      const cell = value === 'missing' ? undefined : find(value);
      if (cell === undefined) missing += 1;
      else counts[cell] = (counts[cell] ?? 0) + 1;
    },
    counted: (): CellCounts => ({ counts: [...counts], missing }),
  };
}
export type CellCounter = ReturnType<typeof cellCounter>;

/** Counts of two sets of rows as those of both together: exact, in whatever order things are merged. */
export const mergeCounts = (a: CellCounts, b: CellCounts): CellCounts => ({
  counts: a.counts.map((count, cell) => count + (b.counts[cell] ?? 0)),
  missing: a.missing + b.missing,
});

/** Of a feature's value and its raw one: which cell it belongs to. null and NaN are no value. */
export function featureValue(
  transform: DeclaredFeature['transform'],
  value: number | null | undefined,
  raw: unknown,
): CellValue {
  if (typeof value === 'number' && !Number.isNaN(value)) return value;
  return transform === 'categorical' && raw !== null && raw !== undefined ? 'unknown' : 'missing';
}
