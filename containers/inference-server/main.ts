import { monitorEventLoopDelay } from 'node:perf_hooks';
import { impatientDynamodb, impatientS3 } from '../../adapters/live-model-versions.ts';
import { isOnnxWorker, serveOnnxWorker } from '../../adapters/onnx-worker.ts';
import { errorFields, log } from '../../adapters/structured-log.ts';
import { WorkerPool } from '../../adapters/worker-session.ts';
import { inferenceEndpoint } from '../../core/inference/endpoint.ts';
import { routeOf } from '../../core/inference/routes.ts';
import { admissionLimits } from './admission.ts';
import { type ServerEnvironment, serverEnvironment } from './environment.ts';
import { HttpServer } from './http-server.ts';
import { type RunningModel, refusedBeyondLimits, runModel } from './served-model.ts';

/** What is live is looked at so often, so that a flip is seen within two seconds. */
const refreshMs = 1_000;
const metricsMs = 1_000;
const queuedWorkMs = 10_000;
/** Of the event loop's delay. */
const resolutionMs = 20;
/** Fargate kills 30 s after it has asked. */
const longestEndMs = 24_000;
const longestFlushMs = 4_000;

/** Threads begin with the file that the process was started with. */
const startWorkers = (threads: number): WorkerPool | undefined =>
  threads === 0
    ? undefined
    : new WorkerPool({
        threads,
        entry: process.argv[1] ?? '',
        onLost: (reason) =>
          log('error', 'a thread was lost; another one takes its place', errorFields(reason)),
      });

function runModels(environment: ServerEnvironment): ReadonlyMap<string, RunningModel> {
  const surroundings = {
    registryTable: environment.REGISTRY_TABLE,
    artifactsBucket: environment.ARTIFACTS_BUCKET,
    queueLimitMs: environment.QUEUE_LIMIT_MS,
    dynamodb: impatientDynamodb(),
    s3: impatientS3(),
    pool: startWorkers(environment.WORKER_THREADS),
  };
  return new Map(environment.MODELS.map((model) => [model.name, runModel(model, surroundings)]));
}

/** What goes on while nobody asks. */
function keepUp(models: ReadonlyMap<string, RunningModel>): void {
  const each = (act: (model: RunningModel) => void) => () => {
    for (const model of models.values()) act(model);
  };
  const refresh = each((model) => void model.refresh());
  refresh();
  setInterval(refresh, refreshMs);
  setInterval(
    each((model) => model.writeMetrics()),
    metricsMs,
  );
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  setInterval(() => {
    // Requests that come while something is computed wait unread for the event loop.
    const delayMs = Math.max(0, delay.mean / 1e6 - resolutionMs);
    delay.reset();
    for (const model of models.values()) model.writeQueuedWork(delayMs);
  }, queuedWorkMs);
}

async function end(server: HttpServer, models: ReadonlyMap<string, RunningModel>): Promise<void> {
  log('info', 'asked to end; what was asked is answered first');
  // What does not end by itself is ended before it is killed.
  setTimeout(() => process.exit(1), longestEndMs).unref();
  await server.end();
  await Promise.all([...models.values()].map((model) => model.close(longestFlushMs)));
  log('info', 'ended');
  process.exit(0);
}

async function serve(): Promise<void> {
  const environment = serverEnvironment(process.env);
  const models = runModels(environment);
  const [defaultModel] = models.keys();
  const answer = inferenceEndpoint(models, {
    scoring: defaultModel === undefined ? undefined : { defaultModel },
    accepts: () => server.accepts,
    refused: ({ model, ...refusal }) =>
      model === undefined
        ? log('warn', 'request refused', { status: refusal.status, path: refusal.request.path })
        : models.get(model)?.refused(refusal),
    notLogged: (error, { requestId }) =>
      log('error', 'the prediction was not logged', { requestId, ...errorFields(error) }),
  });
  const modelAt = (path: string) => models.get(routeOf(path)?.model ?? defaultModel ?? '');
  const server = new HttpServer({
    answer,
    port: environment.PORT,
    limits: admissionLimits(refusedBeyondLimits * environment.QUEUE_LIMIT_MS),
    timedOut: (path, requestId) => modelAt(path)?.timedOut(requestId),
    notAdmitted: (path, requestId, error) => modelAt(path)?.notAdmitted(requestId, error),
  });
  keepUp(models);
  const port = await server.listen();
  log('info', 'listening', { port, models: [...models.keys()] });
  let isEnding = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isEnding) return;
      isEnding = true;
      void end(server, models);
    });
  }
}

if (isOnnxWorker()) {
  serveOnnxWorker();
} else {
  serve().catch((error: unknown) => {
    log('error', 'the server did not start', errorFields(error));
    process.exit(1);
  });
}
