import { readEnvironment } from '../config/environments.ts';
import { modelPython } from '../config/model-python.ts';
import { readModelFolders } from '../config/models.ts';
import { slipwayApp } from '../lib/stacks/slipway-app.ts';

try {
  const folders = await readModelFolders(process.env);
  const models = folders.map(({ definition }) => definition);
  const own = folders.flatMap((folder) => modelPython(folder) ?? []);
  const ownPython = new Map(own.map((python) => [python.model, python]));
  const account = process.env['CDK_DEFAULT_ACCOUNT'];
  slipwayApp(readEnvironment(process.env), models, account, { ownPython }).synth();
} catch (error) {
  // What a person wrote is wrong: where, and how to mend it, is all they need.
  if (!(error instanceof Error && error.name === 'InvalidDocumentError')) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
