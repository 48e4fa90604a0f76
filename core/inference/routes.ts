/** What a path of the inference API is about. */
export type Action =
  | 'predict-v1'
  | 'model-v1'
  | 'alive'
  | 'server'
  | 'live'
  | 'ready'
  | 'model'
  | 'model-ready'
  | 'infer'
  | 'invocations'
  | 'ping'
  | 'version';

export interface Route {
  readonly action: Action;
  readonly method: 'GET' | 'POST';
  readonly model?: string;
  /** As the path names it. */
  readonly version?: string | undefined;
}

/** Whether a path is one of those that MLflow's servers and SageMaker's containers have. */
export const isScoring = ({ action }: Route): boolean =>
  action === 'invocations' || action === 'ping' || action === 'version';

const server: Readonly<Record<string, Route>> = {
  '/': { action: 'alive', method: 'GET' },
  '/v2': { action: 'server', method: 'GET' },
  '/v2/': { action: 'server', method: 'GET' },
  '/v2/health/live': { action: 'live', method: 'GET' },
  '/v2/health/ready': { action: 'ready', method: 'GET' },
  '/invocations': { action: 'invocations', method: 'POST' },
  '/ping': { action: 'ping', method: 'GET' },
  '/health': { action: 'ping', method: 'GET' },
  '/version': { action: 'version', method: 'GET' },
};

function v1Route([name = '', ...rest]: readonly string[]): Route | undefined {
  const [versions, version] = rest;
  const isWhole = rest.length === 0;
  if (!isWhole && (versions !== 'versions' || rest.length !== 2)) return undefined;
  const last = isWhole ? name : (version ?? '');
  const colon = last.lastIndexOf(':');
  const [subject, verb] = colon === -1 ? [last] : [last.slice(0, colon), last.slice(colon + 1)];
  const place = isWhole ? { model: subject } : { model: name, version: subject };
  if (verb === undefined) return { action: 'model-v1', method: 'GET', ...place };
  return verb === 'predict' ? { action: 'predict-v1', method: 'POST', ...place } : undefined;
}

function v2Route([model = '', ...rest]: readonly string[]): Route | undefined {
  const isPinned = rest[0] === 'versions' && rest.length > 1;
  const version = isPinned ? rest[1] : undefined;
  const [verb, ...more] = isPinned ? rest.slice(2) : rest;
  if (more.length > 0) return undefined;
  if (verb === undefined) return { action: 'model', method: 'GET', model, version };
  if (verb === 'ready') return { action: 'model-ready', method: 'GET', model, version };
  return verb === 'infer' ? { action: 'infer', method: 'POST', model, version } : undefined;
}

/** Some clients write the colon of a path in another way. */
function decoded(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function parsed(path: string): Route | undefined {
  const plain = decoded(path);
  const known = server[plain];
  if (known) return known;
  const [empty, protocol, models, ...rest] = plain.split('/');
  if (empty !== '' || models !== 'models' || !rest[0]) return undefined;
  if (protocol === 'v2') return v2Route(rest);
  return protocol === 'v1' ? v1Route(rest) : undefined;
}

const mostRemembered = 1_000;
const remembered = new Map<string, Route>();

/** Where a path leads; undefined where to nothing. A server is asked for few paths, and often. */
export function routeOf(path: string): Route | undefined {
  const known = remembered.get(path);
  if (known) return known;
  const route = parsed(path);
  if (!route) return undefined;
  if (remembered.size >= mostRemembered) remembered.clear();
  remembered.set(path, route);
  return route;
}
