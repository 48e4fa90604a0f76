import { globSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvironment } from '../config/environments.ts';
import { slipwayApp } from '../lib/stacks/slipway-app.ts';

const root = join(import.meta.dirname, '..');
const files = globSync('models/*/model.ts', { cwd: root }).sort();
const models = await Promise.all(
  files.map(async (file) => (await import(join(root, file))).default),
);
slipwayApp(readEnvironment(process.env), models, process.env['CDK_DEFAULT_ACCOUNT']).synth();
