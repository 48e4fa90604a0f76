import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { modelsFolder } from '../../config/models.ts';
import { usageError } from '../command-error.ts';
import { repositoryRoot } from '../laptop-file.ts';

/** Path in a folder → text. */
export type Files = Readonly<Record<string, string>>;

const nameForm = /^[a-z][a-z0-9-]{1,30}[a-z0-9]$/;

/** Where a new model's folder goes. @throws CommandError where there is one, or the name is none */
export function newModelFolder(name: string): string {
  if (!nameForm.test(name)) {
    throw usageError(
      `'${name}' is no name for a model; use 3 to 32 lower-case letters, digits and dashes, starting with a letter, as in flight-delay`,
    );
  }
  const folder = join(modelsFolder(process.env), name);
  if (existsSync(folder)) {
    const workflow = workflowOf(name);
    const rest = existsSync(join(repositoryRoot, workflow)) ? ` and ${workflow}` : '';
    throw usageError(
      `there is a folder ${folder} already, and nothing in it is overwritten; choose another name, or remove the folder${rest} first`,
    );
  }
  return folder;
}

/** As a file of the folder imports it. */
export function importPath(folder: string, file: string): string {
  const path = relative(folder, join(repositoryRoot, file));
  return path.startsWith('.') ? path : `./${path}`;
}

function writeAll(folder: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Writes the whole folder, or nothing. */
export function writeModelFolder(folder: string, files: Files): void {
  const parent = dirname(folder);
  mkdirSync(parent, { recursive: true });
  // In the same folder, so that the last step is a rename. A leading dot keeps it from being read as a model.
  const partial = mkdtempSync(join(parent, '.init-'));
  try {
    writeAll(partial, files);
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
}

const workflowOf = (name: string): string => join('.github', 'workflows', `slipway-${name}.yml`);

/** The workflow that runs a model's own tests on pull requests; one that is there stays as it is. */
export function writeWorkflow(name: string, folder: string): string | undefined {
  const inRepository = relative(repositoryRoot, folder);
  // GitHub reads workflows of this repository alone.
  if (inRepository.startsWith('..')) return undefined;
  const file = workflowOf(name);
  const path = join(repositoryRoot, file);
  if (existsSync(path)) return undefined;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, workflow(name, inRepository));
  return file;
}

const workflow = (
  name: string,
  folder: string,
): string => `# Runs the tests of the model '${name}' on pull requests that change it, or what it is built on.
name: Model ${name}
on:
  pull_request:
    paths:
      - '${folder}/**'
      - 'containers/trainers/**'
      - 'core/**'
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 24
          cache: npm
      - uses: actions/setup-python@v5
        with:
          python-version: '3.12'
      - run: npx slipway test ${name}
`;
