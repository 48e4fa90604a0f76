import * as z from 'zod';
import type { SnapshotManifest } from '../datasets/snapshot.ts';
import { TimeSpan } from '../features/built-features.ts';
import type { FeatureSpec } from '../features/feature-spec.ts';
import { toldHyperparameters } from './training-plan.ts';

/** A value for the live version and for the candidate; null where it is not known. */
const pair = <Schema extends z.ZodType>(schema: Schema) =>
  z.strictObject({ production: schema.nullable(), candidate: schema.nullable() });

/** What is different between what the live version was trained on and with, and the candidate. */
export const Changes = z.strictObject({
  /** The live version. */
  version: z.int(),
  files: z.strictObject({
    production: z.int().nullable(),
    candidate: z.int(),
    added: z.int(),
    removed: z.int(),
  }),
  rows: pair(z.strictObject({ train: z.int(), holdout: z.int() })),
  /** Mean of the training rows' labels: of a classification, the share of positive ones. */
  labelMean: pair(z.number()),
  timeSpan: pair(TimeSpan),
  /** Of categorical features: values that the live version does not know. */
  newCategories: z.array(
    z.strictObject({ feature: z.string(), count: z.int(), examples: z.array(z.string()) }),
  ),
  /** Features that only one of the two has. */
  features: z.strictObject({ added: z.array(z.string()), removed: z.array(z.string()) }),
  /** Whether model.ts, the trainer's code or the training image is another. */
  code: z.strictObject({ model: z.boolean(), trainer: z.boolean(), image: z.boolean() }),
  hyperparameters: z.array(z.strictObject({ name: z.string(), ...pair(z.string()).shape })),
});
export type Changes = z.infer<typeof Changes>;

/** All that is compared of one side; undefined is what is not known of it. */
export interface TrainedOn {
  readonly manifest: SnapshotManifest | undefined;
  readonly rows: { readonly train: number; readonly holdout: number } | undefined;
  readonly labelMean: number | undefined;
  readonly timeSpan: TimeSpan | undefined;
  readonly spec: FeatureSpec | undefined;
  readonly modelHash: string;
  readonly trainerSha256: string | undefined;
  readonly trainingImage: string | undefined;
  readonly hyperparameters: Readonly<Record<string, string>>;
}

const examplesAtMost = 5;

function newCategories(
  before: FeatureSpec | undefined,
  now: FeatureSpec | undefined,
  sensitive: ReadonlySet<string>,
): Changes['newCategories'] {
  return (now?.features ?? []).flatMap((feature) => {
    const old = before?.features.find(({ name }) => name === feature.name)?.vocabulary;
    if (!old || !feature.vocabulary) return [];
    const known = new Set(old);
    const fresh = feature.vocabulary.filter((value) => !known.has(value));
    if (fresh.length === 0) return [];
    const examples = sensitive.has(feature.column) ? [] : fresh.slice(0, examplesAtMost);
    return [{ feature: feature.name, count: fresh.length, examples: examples.map(String) }];
  });
}

function changedFiles(before: TrainedOn, now: TrainedOn): Changes['files'] {
  const filesOf = ({ manifest }: TrainedOn) =>
    new Set(manifest?.files.map(({ key, sha256 }) => `${sha256} ${key}`));
  const [old, fresh] = [filesOf(before), filesOf(now)];
  return {
    production: before.manifest ? old.size : null,
    candidate: fresh.size,
    added: before.manifest ? [...fresh].filter((file) => !old.has(file)).length : 0,
    removed: [...old].filter((file) => !fresh.has(file)).length,
  };
}

function changedValues(before: TrainedOn, now: TrainedOn): Changes['hyperparameters'] {
  const old = toldHyperparameters(before.hyperparameters);
  const fresh = toldHyperparameters(now.hyperparameters);
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])]
    .sort()
    .filter((name) => old[name] !== fresh[name])
    .map((name) => ({ name, production: old[name] ?? null, candidate: fresh[name] ?? null }));
}

/** @param sensitive columns whose values are not told */
export function changesBetween(
  version: number,
  before: TrainedOn,
  now: TrainedOn,
  sensitive: ReadonlySet<string>,
): Changes {
  const names = ({ spec }: TrainedOn) => spec?.features.map(({ name }) => name) ?? [];
  const [old, fresh] = [names(before), names(now)];
  return {
    version,
    files: changedFiles(before, now),
    rows: { production: before.rows ?? null, candidate: now.rows ?? null },
    labelMean: { production: before.labelMean ?? null, candidate: now.labelMean ?? null },
    timeSpan: { production: before.timeSpan ?? null, candidate: now.timeSpan ?? null },
    newCategories: newCategories(before.spec, now.spec, sensitive),
    features: {
      added: fresh.filter((name) => !old.includes(name)),
      removed: before.spec ? old.filter((name) => !fresh.includes(name)) : [],
    },
    code: {
      model: before.modelHash !== now.modelHash,
      trainer: before.trainerSha256 !== now.trainerSha256,
      image: before.trainingImage !== now.trainingImage,
    },
    hyperparameters: changedValues(before, now),
  };
}
