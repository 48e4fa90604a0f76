// Brings a fresh clone to where everything runs: npm packages, then one Python virtual environment
// per requirements lock. Plain JavaScript without a dependency, because it runs before there is one.
// Every part is skipped when the lock file it was made from has not changed since.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Not a URL's pathname: in that, a space of the folder's name is %20.
const thisFile = fileURLToPath(import.meta.url);
const root = join(dirname(thisFile), '..');
const minimumNode = 20;
const minimumPython = [3, 11];

/** name → the lock file it is installed from. */
const environments = {
  local: 'local/requirements.txt',
  xgboost: 'containers/trainers/xgboost/requirements.txt',
};

/** What only tests need; no command waits for it. */
const testEnvironments = {
  client: 'clients/python/requirements.txt',
};

/** Other people's clients, which the API is held against; KServe's runs with no newer Python. */
const conformance = { lockFile: 'test/conformance/requirements.txt', below: [3, 14] };

/** What the trainer of own Python programs is tested with: every library that it knows. */
const trainerLibraries = [
  'containers/trainers/python/requirements.in',
  'containers/trainers/tests/python/requirements.txt',
];

/** Sets of wheels that a training on AWS brings along → their lock, and how much they are. */
const wheelSets = {
  xgboost: { lockFile: environments.xgboost, size: '150 MB' },
  // With CUDA and NCCL.
  'xgboost-gpu': { lockFile: 'containers/trainers/xgboost-gpu/requirements.txt', size: '630 MB' },
};

/**
 * What the images of training on AWS are (config/environments.ts): Ubuntu 22.04 has glibc 2.35. Wheels name the oldest
 * that they run with, and pip takes a name only where it is among these.
 */
const glibcMinors = Array.from({ length: 35 - 16 }, (_, i) => 35 - i);
const trainingPlatform = [
  ...[...glibcMinors.map((minor) => `manylinux_2_${minor}`), 'manylinux2014', 'manylinux1'].flatMap(
    (name) => ['--platform', `${name}_x86_64`],
  ),
  ...['--python-version', '312'],
];

class SetupError extends Error {}

const sha256 = (content) => createHash('sha256').update(content).digest('hex');
const sha256OfFile = (path) => sha256(readFileSync(path));

function isCurrent(stamp, fingerprint) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint;
}

/** Runs a command quietly with a line of progress; its output is shown only when it fails. */
function step(title, command, args) {
  const started = Date.now();
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  const live = process.stderr.isTTY;
  process.stderr.write(live ? `  ${title} …` : `  ${title} …\n`);
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    // A pipe keeps every line, so it gets fewer.
    const ticker = live
      ? setInterval(() => process.stderr.write(`\r  ${title} … ${seconds()} `), 1_000)
      : setInterval(() => process.stderr.write(`  ${title} … ${seconds()}\n`), 10_000);
    const keep = (chunk) => {
      output = (output + chunk).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => {
      clearInterval(ticker);
      reject(new SetupError(`${command} could not be started: ${error.message}`));
    });
    child.on('close', (code) => {
      clearInterval(ticker);
      if (code === 0) {
        process.stderr.write(
          live ? `\r  ${title}: ${seconds()}   \n` : `  ${title}: ${seconds()}\n`,
        );
        resolve();
      } else {
        reject(new SetupError(`${title} failed (${command} ${args.join(' ')}):\n${output}`));
      }
    });
  });
}

function pythonVersion(command) {
  const probe = spawnSync(
    command,
    ['-c', 'import sys, venv, ensurepip; print(*sys.version_info[:2])'],
    {
      encoding: 'utf8',
    },
  );
  if (probe.status !== 0) return undefined;
  const [major, minor] = probe.stdout.trim().split(' ').map(Number);
  return [major, minor];
}

const isBefore = ([major, minor], [otherMajor, otherMinor]) =>
  major < otherMajor || (major === otherMajor && minor < otherMinor);

function findPython(below) {
  const candidates = process.env.PYTHON
    ? [process.env.PYTHON]
    : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python'];
  for (const candidate of candidates) {
    const version = pythonVersion(candidate);
    if (!version || isBefore(version, minimumPython)) continue;
    if (!below || isBefore(version, below)) return candidate;
  }
  const upTo = below ? `, but older than ${below.join('.')},` : '';
  throw new SetupError(
    `Python ${minimumPython.join('.')} or newer${upTo} with the venv module is missing (looked for: ${candidates.join(', ')}). ` +
      'Install it (Debian and Ubuntu: apt install python3-venv; macOS: brew install python@3.13), ' +
      'or name one in the PYTHON environment variable.',
  );
}

async function installNodePackages() {
  const stamp = join(root, 'node_modules', '.slipway-stamp');
  const fingerprint = sha256OfFile(join(root, 'package-lock.json'));
  if (isCurrent(stamp, fingerprint)) return;
  // Not `npm ci`: it refuses a lock that was made where another platform's packages could not be seen.
  // What the lock names is installed as locked, and the lock stays as it is.
  await step('npm packages', process.platform === 'win32' ? 'npm.cmd' : 'npm', [
    'install',
    '--no-save',
    '--no-progress',
  ]);
  writeFileSync(stamp, fingerprint);
}

async function installPythonEnvironment(name, lockFile, below) {
  const folder = join(root, '.venv', name);
  const stamp = join(folder, '.slipway-stamp');
  const fingerprint = sha256OfFile(join(root, lockFile));
  if (isCurrent(stamp, fingerprint)) return;
  const python = findPython(below);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await step(`Python environment '${name}'`, python, ['-m', 'venv', folder]);
  await step(`Python packages of '${name}'`, join(folder, 'bin', 'python'), [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--require-hashes',
    '-r',
    lockFile,
  ]);
  writeFileSync(stamp, fingerprint);
}

/**
 * The lock with its markers decided for Linux, because pip decides them for the machine it runs on.
 * A requirement and its hashes are one line, continued by backslashes.
 */
export function lockForLinux(lock) {
  const lines = lock.replace(/\\\r?\n\s*/g, '').split('\n');
  return lines
    .filter((line) => !/;\s*sys_platform == 'darwin'/.test(line))
    .map((line) => line.replace(/;\s*sys_platform != 'darwin'/, ''))
    .map((line) => {
      if (!line.startsWith('#') && line.includes(';'))
        throw new SetupError(
          `a marker in the trainer's lock is not understood: ${line.slice(0, 100)}`,
        );
      return line;
    })
    .join('\n');
}

/** Downloads the wheels of a list of requirements for AWS; quick when they are there. */
async function downloadWheels({ title, folder, requirements, options = [] }) {
  const partial = `${folder}.partial`;
  const stamp = `${folder}.stamp`;
  const fingerprint = `${sha256(requirements)} ${trainingPlatform.join(' ')}`;
  if (existsSync(folder) && isCurrent(stamp, fingerprint)) return;
  rmSync(partial, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const list = `${folder}.txt`;
  writeFileSync(list, requirements);
  await step(title, join(root, '.venv', 'xgboost', 'bin', 'python'), [
    '-m',
    'pip',
    'download',
    '--quiet',
    '--disable-pip-version-check',
    '--only-binary',
    ':all:',
    ...options,
    '--implementation',
    'cp',
    ...trainingPlatform,
    '--dest',
    partial,
    '-r',
    list,
  ]);
  rmSync(list);
  renameSync(partial, folder);
  writeFileSync(stamp, fingerprint);
}

const downloadWheelSet = (name) =>
  downloadWheels({
    title: `Wheels of '${name}' for AWS (${wheelSets[name].size})`,
    folder: join(root, '.slipway', 'wheels', name),
    requirements: lockForLinux(readFileSync(join(root, wheelSets[name].lockFile), 'utf8')),
    options: ['--require-hashes'],
  });

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Waits while another process of this machine builds the same, and does the work as the only one. */
async function alone(lock, work) {
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0;
    // What a killed process left; one that has only just begun has not written its number yet.
    if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** The environment of a model's own train.py. pip's own words tell what cannot be had together. */
const buildModelEnvironment = ({ model, environment, requirements }) =>
  alone(`${environment}.lock`, async () => {
    const stamp = join(environment, '.slipway-stamp');
    if (isCurrent(stamp, requirements)) return;
    const python = findPython();
    rmSync(environment, { recursive: true, force: true });
    mkdirSync(environment, { recursive: true });
    const list = join(environment, 'requirements.txt');
    await step(`Python environment of ${model}`, python, ['-m', 'venv', environment]);
    writeFileSync(list, requirements);
    await step(`Python packages of ${model}`, join(environment, 'bin', 'python'), [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '-r',
      list,
    ]);
    writeFileSync(stamp, requirements);
  });

/** What Python the models need, as bin/python-needs.ts says it, or why it cannot be known. */
function pythonNeeds(folder, names = []) {
  const asked = spawnSync(join(folder, 'node'), [join(root, 'bin', 'python-needs.ts'), ...names], {
    encoding: 'utf8',
  });
  return asked.status === 0 ? JSON.parse(asked.stdout) : { mistake: asked.stderr.trim() };
}

/** `wheels` and `python` are asked for by name; a synthesis puts wheels into an asset, or names the environments. */
async function prepareModels(folder, script, args) {
  const isSynthesis = script === 'bin/app.ts';
  if (!isSynthesis && script !== 'wheels' && script !== 'python') return;
  const { mistake, wheelSets: sets, models } = pythonNeeds(folder, script === 'python' ? args : []);
  if (mistake !== undefined) {
    // Models that cannot be read are the application's to tell, where it follows.
    if (isSynthesis) return;
    throw new SetupError(mistake);
  }
  const onAws = (process.env.SLIPWAY_ENVIRONMENT ?? 'local') !== 'local';
  if (script === 'python' || (isSynthesis && !onAws)) {
    for (const model of models) await buildModelEnvironment(model);
    return;
  }
  for (const name of sets) await downloadWheelSet(name);
  for (const { model, wheels, requirements } of models) {
    const title = `Wheels of ${model} for AWS`;
    await downloadWheels({ title, folder: wheels, requirements });
  }
}

/** Installs whatever is missing. @throws SetupError with what is missing and how to get it. */
export async function setUp() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < minimumNode) {
    throw new SetupError(
      `Node ${minimumNode} or newer is needed; this is ${process.versions.node}.`,
    );
  }
  await installNodePackages();
  await installPythonEnvironments(environments);
}

async function installPythonEnvironments(lockFiles) {
  for (const [name, lockFile] of Object.entries(lockFiles)) {
    await installPythonEnvironment(name, lockFile);
  }
}

const installConformance = () =>
  installPythonEnvironment('conformance', conformance.lockFile, conformance.below);

/** What is large is installed for the steps that use it: nobody who checks types waits for PyTorch. */
async function installTestEnvironments(steps) {
  await installPythonEnvironments(testEnvironments);
  if (steps.length === 0 || steps.includes('e2e')) await installConformance();
  const training = ['trainers', 'integration'];
  if (steps.length > 0 && !steps.some((step) => training.includes(step))) return;
  await buildModelEnvironment({
    model: 'the trainers’ tests',
    environment: join(root, '.venv', 'trainers'),
    requirements: trainerLibraries.map((file) => readFileSync(join(root, file), 'utf8')).join(''),
  });
}

/** Folder of the Node 24 that Lambda also runs, from the platform's npm package. */
function nodeFolder() {
  const names = [
    `node-${process.platform}-${process.arch}`,
    `node-bin-${process.platform}-${process.arch}`,
  ];
  for (const name of names) {
    const folder = join(root, 'node_modules', name, 'bin');
    if (existsSync(join(folder, 'node'))) return folder;
  }
  if (Number(process.versions.node.split('.')[0]) >= 24) return join(process.execPath, '..');
  throw new SetupError(
    `There is no Node 24 package for ${process.platform}/${process.arch}. Run this with Node 24 or newer (this is ${process.versions.node}).`,
  );
}

const parent = process.ppid;

/**
 * npm and npx pass SIGTERM to the shell that they start and to nothing in it: whose shell is gone ends too. Who starts
 * this without them, as a service does, is left alone.
 */
function endWithParent(child) {
  if (!['local', 'npx'].includes(process.env.npm_lifecycle_event)) return;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    child.kill('SIGTERM');
  }, 500);
  timer.unref();
}

/** Runs a TypeScript file of this project under Node 24, with this terminal, and exits as it does. */
export async function runScript(script, args) {
  try {
    await setUp();
    if (script === 'test/run.ts') await installTestEnvironments(args);
    if (script === 'test/conformance/conformance.ts') await installConformance();
    const folder = nodeFolder();
    await prepareModels(folder, script, args);
    if (script === 'wheels' || script === 'python') return;
    const child = spawn(join(folder, 'node'), [join(root, script), ...args], {
      stdio: 'inherit',
      env: {
        ...process.env,
        PATH: [folder, join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
      },
    });
    // The child shares the terminal and gets Ctrl-C itself; it decides when to end.
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, () => {
        if (signal === 'SIGTERM') child.kill(signal);
      });
    }
    endWithParent(child);
    child.on('close', (code, signal) => process.exit(signal ? 1 : code));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\nslipway: ${error.message}\n`);
    process.exit(1);
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === thisFile) {
  const [script, ...args] = process.argv.slice(2);
  if (script) await runScript(script, args);
  else {
    await setUp();
    await installPythonEnvironments(testEnvironments);
  }
}
