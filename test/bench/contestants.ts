// Who is measured, how each is started, and how it is asked.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ServedModelSettingsInput } from '../../core/inference/server-settings.ts';
import { serverNodeFlags } from '../../lib/runtime/server-archive.ts';
import { installRival, type Rival, rivalFolder, rivalProgram } from './python-environments.ts';
import { bentoJson, type Form, inferBinary, inferJson, invocations } from './requests.ts';
import { root, type ServerCommand } from './server-process.ts';

/** Of one model, on one port. */
export interface Setting {
  /** Of the model among those of models.py; Slipway knows it by this name too. */
  readonly model: string;
  readonly modelFile: string;
  readonly port: number;
  /** Empty and of this server alone. */
  readonly folder: string;
  /** How Slipway reaches its registry and its log. */
  readonly slipway: Readonly<Record<string, string>>;
}

export interface Contestant {
  readonly name: string;
  readonly form: (model: string) => Form;
  /** What has to be installed; answers are the same however often it is called. */
  prepare(): Promise<void>;
  server(setting: Setting): Promise<Omit<ServerCommand, 'name'>>;
  /** Computes nothing, so its answers are not compared: it shows what HTTP and JSON alone cost. */
  readonly isFloor?: true;
  /** The contestant whose server it shares, asked in another form. */
  readonly sameServerAs?: string;
}

export const slipway = 'Slipway';
export const slipwayBinary = 'Slipway, binary';
export const slipwayUnbatched = 'Slipway, a run per request';
export const slipwaySampled = 'Slipway, one prediction in 100 logged';
export const floor = 'the same server without a model';

const address = (port: number): string => `http://127.0.0.1:${port}`;
const logIn = (folder: string): string => join(folder, 'server.log');
const nothing = async (): Promise<void> => undefined;

type ModelSettings = Pick<ServedModelSettingsInput, 'batching' | 'predictionLog'>;

/** One model, all that a task has, one core: no worker threads. */
const slipwayEnvironment = (setting: Setting, own: ModelSettings): Record<string, string> => ({
  ...setting.slipway,
  MODELS: JSON.stringify([
    { name: setting.model, predictionStream: 'predictions', ...own },
  ] satisfies ServedModelSettingsInput[]),
  PORT: String(setting.port),
  QUEUE_LIMIT_MS: '10000',
  WORKER_THREADS: '0',
  NODE_ENV: 'production',
});

const slipwayServer =
  (own: ModelSettings, script = 'containers/inference-server/main.ts') =>
  async (setting: Setting): Promise<Omit<ServerCommand, 'name'>> => ({
    command: process.execPath,
    args: [...serverNodeFlags, join(root, script)],
    env: slipwayEnvironment(setting, own),
    cwd: setting.folder,
    readyUrl: `${address(setting.port)}/v2/models/${setting.model}/ready`,
    logFile: logIn(setting.folder),
  });

const inferPath = (model: string): string => `/v2/models/${model}/infer`;

const ownServers: readonly Contestant[] = [
  {
    name: slipway,
    form: (model) => inferJson(inferPath(model), 'instances'),
    prepare: nothing,
    server: slipwayServer({}),
  },
  {
    name: slipwayBinary,
    form: (model) => inferBinary(inferPath(model), 'instances'),
    prepare: nothing,
    server: slipwayServer({}),
    sameServerAs: slipway,
  },
  {
    name: slipwayUnbatched,
    form: (model) => inferJson(inferPath(model), 'instances'),
    prepare: nothing,
    server: slipwayServer({ batching: { maximumRows: 1 } }),
  },
  {
    name: slipwaySampled,
    form: (model) => inferJson(inferPath(model), 'instances'),
    prepare: nothing,
    server: slipwayServer({ predictionLog: { sampleRate: 0.01 } }),
  },
  {
    name: floor,
    form: (model) => inferJson(inferPath(model), 'instances'),
    prepare: nothing,
    server: slipwayServer({}, 'test/bench/no-model.ts'),
    isFloor: true,
  },
];

const fastapi = async (setting: Setting): Promise<Omit<ServerCommand, 'name'>> => ({
  command: rivalProgram('fastapi', 'uvicorn'),
  args: [
    ...['app:app', '--port', String(setting.port), '--workers', '1', '--loop', 'uvloop'],
    ...['--http', 'httptools', '--no-access-log', '--log-level', 'warning'],
  ],
  env: { MODEL_FILE: setting.modelFile },
  cwd: rivalFolder('fastapi'),
  readyUrl: `${address(setting.port)}/v2/health/ready`,
  logFile: logIn(setting.folder),
});

const bentoml = async (setting: Setting): Promise<Omit<ServerCommand, 'name'>> => ({
  command: rivalProgram('bentoml', 'bentoml'),
  args: ['serve', 'service:Bench', '--host', '127.0.0.1', '--port', String(setting.port)],
  env: {
    MODEL_FILE: setting.modelFile,
    BENTOML_HOME: setting.folder,
    BENTOML_DO_NOT_TRACK: 'True',
  },
  cwd: rivalFolder('bentoml'),
  readyUrl: `${address(setting.port)}/readyz`,
  logFile: logIn(setting.folder),
});

/**
 * parallel_workers 0: with one core, a second process only costs:
 * https://docs.seldon.ai/mlserver/user-guide/parallel-inference
 * Batches of at most 64 requests or 1 ms: https://docs.seldon.ai/mlserver/user-guide/adaptive-batching has them found
 * by trying, and longer waits cost those who come alone.
 */
async function mlserver(setting: Setting): Promise<Omit<ServerCommand, 'name'>> {
  const { folder, port } = setting;
  const settings = {
    debug: false,
    parallel_workers: 0,
    host: '127.0.0.1',
    http_port: port,
    grpc_port: port + 1,
    metrics_port: port + 2,
    metrics_endpoint: null,
  };
  const batching = { max_batch_size: 64, max_batch_time: 0.001 };
  const model = { name: 'bench', implementation: 'runtime.OnnxModel', ...batching };
  writeFileSync(join(folder, 'settings.json'), JSON.stringify(settings));
  writeFileSync(join(folder, 'model-settings.json'), JSON.stringify(model));
  return {
    command: rivalProgram('mlserver', 'mlserver'),
    args: ['start', folder],
    env: { MODEL_FILE: setting.modelFile, PYTHONPATH: rivalFolder('mlserver') },
    cwd: folder,
    readyUrl: `${address(port)}/v2/models/bench/ready`,
    logFile: logIn(folder),
  };
}

/** One uvicorn worker for the one core: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/ */
async function mlflow(setting: Setting): Promise<Omit<ServerCommand, 'name'>> {
  const { folder, modelFile, port } = setting;
  const python = rivalProgram('mlflow', 'python');
  const saved = join(folder, 'model');
  const script = join(rivalFolder('mlflow'), 'save_model.py');
  await promisify(execFile)(python, [script, modelFile, saved], { cwd: folder });
  return {
    command: rivalProgram('mlflow', 'mlflow'),
    args: [
      ...['models', 'serve', '--model-uri', saved, '--env-manager', 'local'],
      ...['--host', '127.0.0.1', '--port', String(port), '--workers', '1'],
    ],
    // It starts `uvicorn` by its name.
    env: { PATH: dirname(python), MLFLOW_DISABLE_TELEMETRY: 'true' },
    cwd: folder,
    readyUrl: `${address(port)}/health`,
    logFile: logIn(folder),
  };
}

const rival = (
  name: string,
  environment: Rival,
  form: () => Form,
  server: Contestant['server'],
  sameServerAs?: string,
): Contestant => ({
  name,
  form,
  prepare: () => installRival(environment),
  server,
  ...(sameServerAs && { sameServerAs }),
});

export const fastapiLean = 'FastAPI, orjson';
export const fastapiPydantic = 'FastAPI, pydantic';

const rivals: readonly Contestant[] = [
  rival(fastapiLean, 'fastapi', () => inferJson(inferPath('bench'), 'instances'), fastapi),
  rival(
    fastapiPydantic,
    'fastapi',
    () => inferJson('/pydantic/models/bench/infer', 'instances'),
    fastapi,
    fastapiLean,
  ),
  rival('BentoML', 'bentoml', () => bentoJson('/predict'), bentoml),
  rival('MLServer', 'mlserver', () => inferJson(inferPath('bench'), 'features'), mlserver),
  rival('mlflow models serve', 'mlflow', () => invocations('/invocations'), mlflow),
];

export const contestants: readonly Contestant[] = [...ownServers, ...rivals];

/** An empty folder for a server. */
export function serverFolder(parent: string, name: string): string {
  const folder = join(parent, name.replaceAll(/\W+/g, '-'));
  mkdirSync(folder, { recursive: true });
  return folder;
}
