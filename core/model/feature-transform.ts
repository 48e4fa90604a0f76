import * as z from 'zod';

/** What becomes of a raw column: DeclaredFeature says what each does. */
export const FeatureTransform = z.enum(
  ['numeric', 'log1p', 'isMissing', 'categorical', 'dayOfWeek', 'month', 'hourOfDay'],
  {
    error:
      "a feature's transform is one of numeric, log1p, isMissing, categorical, dayOfWeek, month, hourOfDay",
  },
);
