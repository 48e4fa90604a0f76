import * as z from 'zod';

/** SageMaker takes so many characters in one hyperparameter, and all of a model's own travel as one. */
const charactersAtMost = 2_500;
const hyperparametersAtMost = 100;

const Scalar = z.union([z.string(), z.number(), z.boolean(), z.null()], {
  error: 'set it to a text, a finite number, true, false or null; read what is longer in train.py',
});

/**
 * What a model may set for its own train.py, which finds it in the dictionary `hyperparameters`: names and
 * values are the model's.
 */
export const PythonHyperparameters = z
  .record(z.string().min(1).max(256), Scalar)
  .superRefine((values, context) => {
    const count = Object.keys(values).length;
    const characters = JSON.stringify(values).length;
    const tell = (message: string) => context.addIssue({ code: 'custom', message });
    if (count > hyperparametersAtMost) {
      tell(
        `there are ${count} hyperparameters, and at most ${hyperparametersAtMost} can be set; keep what you change here and the rest as constants in train.py`,
      );
    } else if (characters > charactersAtMost) {
      tell(
        `as JSON they are ${characters} characters, and SageMaker takes ${charactersAtMost}; keep what you change here and the rest as constants in train.py`,
      );
    }
  });
