// Prints, one a line, the sets of wheels that the trainings of the models need on AWS.
import { readModels } from '../config/models.ts';
import { deviceOf } from '../core/model/training-section.ts';

const models = await readModels(process.env);
const sets = models.map(({ training }) =>
  deviceOf(training.instanceType) === 'cuda' ? `${training.trainer}-gpu` : training.trainer,
);
process.stdout.write([...new Set(sets)].map((name) => `${name}\n`).join(''));
