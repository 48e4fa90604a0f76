// Prints as JSON what Python the models need: sets of wheels of the platform's trainers, and the packages of
// models with their own train.py. Arguments name models, with what their tests need; without any, all are meant.
import { modelPython, testPython, wheelSetsOf } from '../config/model-python.ts';
import { readModelFolders } from '../config/models.ts';

const named = process.argv.slice(2);

try {
  const folders = await readModelFolders(process.env);
  const asked = folders.filter(
    ({ definition }) => named.length === 0 || named.includes(definition.name),
  );
  const needs = {
    wheelSets: wheelSetsOf(asked.map(({ definition }) => definition)),
    models: asked.flatMap((folder) => (named.length > 0 ? testPython : modelPython)(folder) ?? []),
  };
  process.stdout.write(JSON.stringify(needs));
} catch (error) {
  if (!(error instanceof Error && error.name === 'InvalidDocumentError')) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
