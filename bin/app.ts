import { readEnvironment } from '../config/environments.ts';
import { readModels } from '../config/models.ts';
import { slipwayApp } from '../lib/stacks/slipway-app.ts';

try {
  const models = await readModels(process.env);
  slipwayApp(readEnvironment(process.env), models, process.env['CDK_DEFAULT_ACCOUNT']).synth();
} catch (error) {
  // What a person wrote is wrong: where, and how to mend it, is all they need.
  if (!(error instanceof Error && error.name === 'InvalidDocumentError')) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
