// A model's own tests, in its Python environment and with the platform's own reading of its sample rows.
import { spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { ModelFolder } from '../../config/models.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { usageError } from '../command-error.ts';
import { inWorkFolder } from '../work-folder.ts';
import { trainerCode } from './run-trainer.ts';
import { writeChannels } from './sample-rows.ts';

export interface TestResult {
  readonly model: string;
  /** pytest's: 0 passed, 1 some failed, 5 there was none. */
  readonly exitCode: number;
  readonly passed: number;
  /** Errors before or after a test too. */
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
}

export interface RunTestsRequest {
  /** Folder of the Python environment that they run in. */
  readonly environment: string;
  /** Arguments for pytest. */
  readonly pytest: readonly string[];
  /** Whether standard output is for a document. */
  readonly json: boolean;
}

/** What the fixtures of slipway_pytest.py read. */
async function writeContext(folder: ModelFolder, base: string): Promise<string> {
  const { definition } = folder;
  const { training, evaluation, serving, data } = definition;
  const sample = join(folder.folder, 'tests', 'sample.csv');
  const hasSample = existsSync(sample);
  const channels = join(base, 'channels');
  if (hasSample) await writeChannels({ definition, data: sample, use: 'test' }, channels);
  const file = join(base, 'context.json');
  const context = {
    folder: folder.folder,
    channels: hasSample ? channels : null,
    label: data.label,
    task: evaluation.task,
    serving: serving.target,
    seed: training.seed,
    hyperparameters: training.hyperparameters,
  };
  await writeFile(file, JSON.stringify(context));
  return file;
}

const Counts = z.object({
  passed: z.int(),
  failed: z.int(),
  error: z.int(),
  skipped: z.int(),
});

/** What slipway_pytest.py left; nothing where pytest did not come to its end. */
function countsIn(report: string): Pick<TestResult, 'passed' | 'failed' | 'skipped'> {
  if (!existsSync(report)) return { passed: 0, failed: 0, skipped: 0 };
  const document = JSON.parse(readFileSync(report, 'utf8'));
  const { passed, failed, error, skipped } = parseDocument(Counts, document, report);
  return { passed, failed: failed + error, skipped };
}

interface PytestPlace {
  readonly cwd: string;
  readonly toStandardError: boolean;
  /** Ends pytest. */
  readonly stopped: AbortSignal;
}

function runPytest(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { cwd, toStandardError, stopped }: PytestPlace,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const output = toStandardError ? 2 : 'inherit';
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ['ignore', output, 'inherit'],
      signal: stopped,
      killSignal: 'SIGKILL',
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** The folder of a model's own tests. @throws CommandError where there are none */
export function testsIn({ folder }: Pick<ModelFolder, 'folder'>): string {
  const tests = join(folder, 'tests');
  if (globSync('**/test_*.py', { cwd: tests }).length > 0) return tests;
  throw usageError(
    `there is no ${join(tests, 'test_*.py')}; write one, as in \`def test_it_predicts(data, predict): …\``,
  );
}

/**
 * Runs pytest on models/<name>/tests.
 * @throws CommandError where there are no tests, or the sample is not of the model's columns
 */
export async function runTests(
  folder: ModelFolder,
  { environment, pytest, json }: RunTestsRequest,
): Promise<TestResult> {
  const { name: model } = folder.definition;
  const tests = testsIn(folder);
  return inWorkFolder('slipway-test-', async ({ folder: base, stopped }) => {
    const startedAt = performance.now();
    const temporary = join(base, 'tmp');
    await mkdir(temporary);
    const report = join(base, 'report.json');
    const env = {
      ...process.env,
      PATH: `${join(environment, 'bin')}:${process.env['PATH']}`,
      PYTHONPATH: [trainerCode, folder.folder].join(':'),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONHASHSEED: '0',
      // What tests leave in the temporary folder goes with the rest.
      TMPDIR: temporary,
      SLIPWAY_TEST_REPORT: report,
      SLIPWAY_TEST_CONTEXT: await writeContext(folder, base),
    };
    const plugins = ['-p', 'slipway_pytest', '-p', 'no:cacheprovider'];
    const args = ['-m', 'pytest', ...plugins, '--rootdir', folder.folder, '--tb=short'];
    const place = { cwd: folder.folder, toStandardError: json, stopped };
    const python = join(environment, 'bin', 'python');
    const exitCode = await runPytest(python, [...args, tests, ...pytest], env, place);
    const seconds = Math.round(performance.now() - startedAt) / 1_000;
    return { model, exitCode, ...countsIn(report), seconds };
  });
}
