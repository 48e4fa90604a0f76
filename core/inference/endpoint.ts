// One request path for every door: Lambda, the server, and whoever tests them.
import { platformVersion } from '../version.ts';
import type { PredictionCache } from './cache/prediction-cache.ts';
import { failureReply } from './failure-reply.ts';
import { HttpError } from './http-error.ts';
import {
  type EndpointReply,
  type EndpointRequest,
  errorReply,
  jsonReply,
} from './http-messages.ts';
import { InvalidRequestError } from './invalid-request-error.ts';
import { PredictionPurpose, purposeHeader } from './log/prediction-record.ts';
import { type Prediction, predictRows } from './predict.ts';
import type { Asked } from './protocols/asked.ts';
import { askMlflow } from './protocols/mlflow.ts';
import { askV1 } from './protocols/v1.ts';
import { askV2 } from './protocols/v2.ts';
import { modelMetadata } from './protocols/v2-metadata.ts';
import { isScoring, type Route, routeOf } from './routes.ts';
import { aliveV1, serverMetadata } from './server-metadata.ts';
import { type LiveVersions, NotLiveError, RetiredError } from './versions/live-versions.ts';
import type { LoadedVersion } from './versions/loaded-version.ts';

export type { EndpointReply, EndpointRequest } from './http-messages.ts';

export interface ServedModel {
  readonly name: string;
  readonly versions: Pick<LiveVersions, 'use'>;
  readonly cache?: PredictionCache | undefined;
  /** The log and the metrics of an answered request. The reply waits for it, and never fails by it. */
  answered(prediction: Prediction): Promise<void> | void;
}

/** A request that got no answer, for the log. */
export interface RefusedRequest {
  readonly request: EndpointRequest;
  readonly status: number;
  readonly error: unknown;
  /** Where one is asked that there is. */
  readonly model?: string | undefined;
}

export interface EndpointOptions {
  /** Whether new requests are still welcome; a server that is about to end says no. */
  readonly accepts?: () => boolean;
  /**
   * The routes of MLflow's servers and of SageMaker's containers, which name no model: it is that of the header
   * x-slipway-model, or this one.
   */
  readonly scoring?: { readonly defaultModel: string } | undefined;
  readonly refused?: (refused: RefusedRequest) => void;
  /** Told when `answered` failed. */
  readonly notLogged?: (error: unknown, prediction: Prediction) => void;
}

type Models = ReadonlyMap<string, ServedModel>;

function purposeOf({ headers }: EndpointRequest): PredictionPurpose | undefined {
  const stated = headers[purposeHeader];
  if (stated === undefined) return undefined;
  const purpose = PredictionPurpose.safeParse(stated);
  if (purpose.success) return purpose.data;
  throw new InvalidRequestError([
    `the header ${purposeHeader}: send ${PredictionPurpose.options.join(' or ')}, or leave it out (received '${stated.slice(0, 40)}')`,
  ]);
}

/** A path may name the version that it wants: it is answered while that one answers. */
function checkVersion({ model, version }: LoadedVersion, wanted: string | undefined): void {
  if (wanted === undefined || wanted === String(version)) return;
  throw new HttpError(
    404,
    `model ${model} answers with version ${version}; leave the version out of the path, or name that one (received '${wanted.slice(0, 40)}')`,
  );
}

type Ask = (version: LoadedVersion, request: EndpointRequest) => Asked;

const protocols: Partial<Record<Route['action'], Ask>> = {
  'predict-v1': (version, { body }) => askV1(version, body),
  infer: askV2,
  invocations: askMlflow,
};

async function answer(
  served: ServedModel,
  request: EndpointRequest,
  {
    ask,
    wanted,
    notLogged,
  }: Pick<EndpointOptions, 'notLogged'> & {
    readonly ask: Ask;
    readonly wanted: string | undefined;
  },
): Promise<EndpointReply> {
  const receivedAt = performance.now();
  const { requestId, deadlineAt } = request;
  const purpose = purposeOf(request);
  let reply: Asked['reply'] | undefined;
  const prediction = await served.versions.use((version, variant) => {
    checkVersion(version, wanted);
    const asked = ask(version, request);
    reply = asked.reply;
    const { instances } = asked;
    const rows = { instances, requestId, purpose, variant, deadlineAt, receivedAt };
    return predictRows(version, rows, served.cache);
  });
  try {
    const logged = served.answered(prediction);
    if (logged) await logged;
  } catch (error) {
    notLogged?.(error, prediction);
  }
  if (!reply) throw new Error('unreachable: the rows were asked for');
  return reply(prediction);
}

type Standing =
  | { readonly ready: true; readonly version: LoadedVersion }
  | { readonly ready: false; readonly error: unknown };

async function standingOf({ versions }: ServedModel): Promise<Standing> {
  try {
    return { ready: true, version: await versions.use(async (version) => version) };
  } catch (error) {
    return { ready: false, error };
  }
}

/** No version, as long as none went live: there is nothing to be ready for. */
const hasNothing = (error: unknown): boolean =>
  error instanceof NotLiveError || error instanceof RetiredError;

async function readinessV1(served: ServedModel, wanted: string | undefined) {
  const standing = await standingOf(served);
  const { name } = served;
  if (standing.ready) {
    checkVersion(standing.version, wanted);
    return jsonReply(200, { name, ready: true, model_version: String(standing.version.version) });
  }
  // That it is retired is an answer, not a state to wait in.
  if (standing.error instanceof RetiredError) throw standing.error;
  return jsonReply(200, { name, ready: false });
}

async function readinessV2(served: ServedModel, { wanted, requestId }: Wanted) {
  const standing = await standingOf(served);
  const { name } = served;
  if (standing.ready) {
    checkVersion(standing.version, wanted);
    return jsonReply(200, { name, ready: true });
  }
  const { status, error, headers } = failureReply(standing.error, requestId);
  const reply = jsonReply(status, { name, ready: false, error });
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

interface Wanted {
  readonly wanted: string | undefined;
  readonly requestId: string;
}

/** Ready is a server whose models answer, or have nothing yet to answer with. */
async function serverReadiness(models: Models, { accepts }: EndpointOptions) {
  const standings =
    accepts?.() === false ? [] : await Promise.all([...models.values()].map(standingOf));
  const isReady =
    accepts?.() !== false &&
    standings.every((standing) => standing.ready || hasNothing(standing.error));
  if (isReady) return jsonReply(200, { live: true, ready: true });
  return jsonReply(503, { live: true, ready: false, error: 'not every model can answer yet' });
}

async function aboutModel(served: ServedModel, route: Route, { requestId }: EndpointRequest) {
  const { action, version: wanted } = route;
  if (action === 'model-v1') return readinessV1(served, wanted);
  if (action === 'model-ready') return readinessV2(served, { wanted, requestId });
  return served.versions.use(async (version) => {
    checkVersion(version, wanted);
    return jsonReply(200, modelMetadata(version));
  });
}

function aboutServer(models: Models, { action }: Route, options: EndpointOptions) {
  if (action === 'server') return jsonReply(200, serverMetadata);
  if (action === 'alive') return jsonReply(200, aliveV1);
  if (action === 'version') {
    return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: platformVersion };
  }
  if (action === 'live')
    return jsonReply(200, { live: true, ready: options.accepts?.() !== false });
  return serverReadiness(models, options);
}

function nothingAt({ method, path }: EndpointRequest, models: Models): HttpError {
  const [model = '<model>'] = models.keys();
  return new HttpError(
    404,
    `there is nothing at ${method} ${path.slice(0, 200)}; use POST /v1/models/${model}:predict, GET /v1/models/${model}, or POST /v2/models/${model}/infer`,
  );
}

function checkMethod({ method, path }: EndpointRequest, route: Route): void {
  if (method === route.method) return;
  throw new HttpError(405, `${path.slice(0, 200)} takes ${route.method} (received ${method})`, {
    Allow: route.method,
  });
}

const modelHeader = 'x-slipway-model';

/** The model that a request is about, where it is about one. @throws HttpError where that is not served here */
function modelOf(
  models: Models,
  {
    route,
    request,
    scoring,
  }: Pick<EndpointOptions, 'scoring'> & {
    readonly route: Route;
    readonly request: EndpointRequest;
  },
): ServedModel | undefined {
  const isUnnamed = route.action === 'invocations';
  const name = isUnnamed ? (request.headers[modelHeader] ?? scoring?.defaultModel) : route.model;
  if (name === undefined) return undefined;
  const served = models.get(name);
  if (served) return served;
  if (!isUnnamed) throw nothingAt(request, models);
  throw new HttpError(
    404,
    `the header ${modelHeader}: the models here are ${[...models.keys()].join(', ')} (received '${name.slice(0, 80)}')`,
  );
}

/** Makes the function that answers requests to these models. It never rejects. */
export function inferenceEndpoint(models: Models, options: EndpointOptions = {}) {
  const reply = async (
    request: EndpointRequest,
    found: (served: ServedModel) => void,
  ): Promise<EndpointReply> => {
    const route = routeOf(request.path);
    if (!route || (isScoring(route) && !options.scoring)) throw nothingAt(request, models);
    const served = modelOf(models, { route, request, scoring: options.scoring });
    if (served) found(served);
    checkMethod(request, route);
    if (!served) return aboutServer(models, route, options);
    const ask = protocols[route.action];
    if (!ask) return aboutModel(served, route, request);
    const { notLogged } = options;
    return answer(served, request, { ask, wanted: route.version, ...(notLogged && { notLogged }) });
  };
  return async (request: EndpointRequest): Promise<EndpointReply> => {
    let model: string | undefined;
    try {
      return await reply(request, ({ name }) => {
        model = name;
      });
    } catch (error) {
      const refusal = errorReply(error, request.requestId);
      options.refused?.({ request, status: refusal.status, error, model });
      return refusal;
    }
  };
}
