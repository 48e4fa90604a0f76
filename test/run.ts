/**
 * Runs everything that has to hold, in order of how quickly it tells, and ends with one line:
 * "N passed, N failed". A skipped test counts as failed. Arguments name the steps to run; without any, all.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const rooms = 'bin cli config models lib lambdas containers core adapters local test'.split(' ');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

interface Count {
  readonly passed: number;
  readonly failed: number;
}

interface Step {
  readonly name: string;
  run(): Promise<Count>;
}

interface Finished {
  readonly code: number;
  readonly output: string;
}

function execute(
  command: string,
  args: string[],
  variables: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...variables },
    });
    let output = '';
    const show = (chunk: Buffer): void => {
      output += chunk.toString();
      process.stdout.write(chunk);
    };
    child.stdout.on('data', show);
    child.stderr.on('data', show);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

const check = (
  name: string,
  args: string[],
  holds: (finished: Finished) => boolean = ({ code }) => code === 0,
): Step => ({
  name,
  async run() {
    const [command, ...rest] = args;
    const good = holds(await execute(bin(command ?? ''), rest));
    return { passed: good ? 1 : 0, failed: good ? 0 : 1 };
  },
});

interface VitestReport {
  readonly numPassedTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly unknown[];
  }[];
}

/** Files that failed before any of their tests ran count too. */
function countVitest(reportFile: string): Count {
  const report: VitestReport = JSON.parse(readFileSync(reportFile, 'utf8'));
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length;
  return {
    passed: report.numPassedTests,
    failed: report.numTotalTests - report.numPassedTests + brokenFiles,
  };
}

const vitest = (name: string, args: string[], variables: NodeJS.ProcessEnv = {}): Step => ({
  name,
  async run() {
    // All that the tests leave in temporary folders goes with it, whatever became of them.
    const folder = mkdtempSync(join(tmpdir(), 'slipway-test-'));
    const reportFile = join(folder, 'report.json');
    try {
      const { code } = await execute(
        bin('vitest'),
        [
          'run',
          ...args,
          '--reporter=default',
          '--reporter=json',
          `--outputFile.json=${reportFile}`,
        ],
        { ...variables, TMPDIR: folder },
      );
      const count = countVitest(reportFile);
      const unexplained = code !== 0 && count.failed === 0 ? 1 : 0;
      return { passed: count.passed, failed: count.failed + unexplained };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

/** Python's own test runner: "Ran N tests", then "OK" or "FAILED (failures=1, errors=2, skipped=3)". */
async function unittest(environment: string, folder: string): Promise<Count> {
  const python = join(root, '.venv', environment, 'bin', 'python');
  const { code, output } = await execute(python, ['-m', 'unittest', 'discover', '-s', folder]);
  const ran = Number(/Ran (\d+) tests?/.exec(output)?.[1] ?? 0);
  const problems = [...output.matchAll(/(?:failures|errors|skipped)=(\d+)/g)].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  );
  const failed = code === 0 && ran > 0 ? problems : Math.max(problems, 1);
  return { passed: Math.max(ran - failed, 0), failed };
}

/** The stock trainer with its own packages, then own Python programs with every library they may use. */
const trainers: Step = {
  name: 'trainers',
  async run() {
    const stock = await unittest('xgboost', 'containers/trainers/tests');
    const own = await unittest('trainers', 'containers/trainers/tests/python');
    return { passed: stock.passed + own.passed, failed: stock.failed + own.failed };
  },
};

/** The Python client; what its summary counts as anything but passed counts as failed. */
const client: Step = {
  name: 'client',
  async run() {
    const python = join(root, '.venv', 'client', 'bin', 'python');
    const folder = join(root, 'clients', 'python');
    const { code, output } = await execute(python, [
      ...['-m', 'pytest', '--rootdir', folder, '-c', join(folder, 'pyproject.toml')],
      ...['-p', 'no:cacheprovider', '--color=no', join(folder, 'tests')],
    ]);
    const summary = output.trimEnd().split('\n').at(-1) ?? '';
    const counts = [...summary.matchAll(/(\d+) ([a-z]+)/g)];
    const sum = (is: (word: string | undefined) => boolean) =>
      counts.reduce((total, [, count, word]) => total + (is(word) ? Number(count) : 0), 0);
    const passed = sum((word) => word === 'passed');
    const failed = sum((word) => /^(failed|errors?|skipped|xfailed|xpassed)$/.test(word ?? ''));
    return { passed, failed: code === 0 && passed > 0 ? failed : Math.max(failed, 1) };
  },
};

const steps: Step[] = [
  check('types', ['tsc', '-p', '.']),
  check('lint', ['biome', 'check', '.']),
  check(
    'layers',
    ['depcruise', ...rooms, '--config', '.dependency-cruiser.json'],
    // A cruise that saw nothing has proved nothing.
    ({ code, output }) => code === 0 && /\(([1-9]\d{1,}) modules/.test(output),
  ),
  check('unused', ['knip']),
  vitest('unit', ['--project', 'unit']),
  vitest('infrastructure', ['--project', 'infrastructure']),
  trainers,
  client,
  vitest('integration', ['--project', 'integration']),
  vitest('emulator gaps are real', ['--project', 'integration', 'test/integration/laptop-cloud'], {
    SLIPWAY_BARE_EMULATOR: '1',
  }),
  vitest('e2e', ['--project', 'e2e']),
];

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no step is called ${unknown.join(', ')}; there are ${steps.map(({ name }) => `'${name}'`).join(', ')}\n`,
  );
  process.exit(2);
}

const table: string[] = [];
let total: Count = { passed: 0, failed: 0 };
for (const step of steps) {
  if (chosen.length > 0 && !chosen.includes(step.name)) continue;
  process.stdout.write(`\n── ${step.name}\n`);
  const started = Date.now();
  const { passed, failed } = await step.run();
  total = { passed: total.passed + passed, failed: total.failed + failed };
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  table.push(
    `${failed ? '✗' : '✓'} ${step.name.padEnd(24)}${String(passed).padStart(6)} passed ${String(failed).padStart(4)} failed ${seconds.padStart(6)} s`,
  );
}
process.stdout.write(`\n${table.join('\n')}\n\n${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
