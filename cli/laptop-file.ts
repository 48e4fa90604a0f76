import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { parseDocument } from '../core/parse-document.ts';
import { usageError } from './command-error.ts';

export const repositoryRoot = join(import.meta.dirname, '..');

/** What one `slipway` says to the others about the laptop cloud it runs; for this user's eyes only. */
export const RunningLaptop = z.strictObject({
  port: z.int(),
  pid: z.int(),
  startedAt: z.string(),
  endpoint: z.url(),
  /** Settings that lead the AWS SDK to this cloud. */
  env: z.record(z.string(), z.string()),
  identity: z.strictObject({
    issuer: z.url(),
    audience: z.string(),
    /** OAuth 2.0 token endpoint, client credentials. */
    tokenUrl: z.url(),
    clientId: z.string(),
    clientSecret: z.string(),
  }),
  logFile: z.string(),
  /** Where the dashboards of this cloud can be looked at. */
  dashboardUrl: z.url(),
  /** `<host>:<port>` of the cache that models share; none where no model asked for one. */
  cache: z.string().optional(),
});
export type RunningLaptop = z.infer<typeof RunningLaptop>;

/** Python environment of the platform's own trainer: on a laptop, its training image. */
export const stockEnvironment = join(repositoryRoot, '.venv', 'xgboost');

/** What a synthesis of the laptop's environment is told. */
export const synthesisVariables = ({
  env,
  identity: { issuer },
  cache = '',
}: {
  readonly env: Readonly<Record<string, string>>;
  readonly identity: { readonly issuer: string };
  readonly cache?: string | undefined;
}): Record<string, string> => ({
  ...env,
  SLIPWAY_ENVIRONMENT: 'local',
  SLIPWAY_LOCAL_JWT_ISSUER: issuer,
  SLIPWAY_LOCAL_JWKS_URI: `${issuer}/.well-known/jwks.json`,
  SLIPWAY_LOCAL_TRAINING_IMAGE: stockEnvironment,
  SLIPWAY_LOCAL_CACHE: cache,
});

const defaultFolder = join(repositoryRoot, '.slipway', 'local');
const fileOf = (folder: string, port: number) => join(folder, `${port}.json`);

/** Writes the file by which other calls find this cloud; returns what removes it. */
export function announceLaptop(laptop: RunningLaptop, folder = defaultFolder): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = fileOf(folder, laptop.port);
  writeFileSync(file, `${JSON.stringify(laptop, null, 2)}\n`, { mode: 0o600 });
  return () => rmSync(file, { force: true });
}

/** A laptop cloud that is not ready yet. */
const StartingLaptop = z.strictObject({ pid: z.int(), startedAt: z.string() });
export type StartingLaptop = z.infer<typeof StartingLaptop>;

/** Says to other calls that a cloud is on its way; returns what takes it back. */
export function announceStart(pid: number, folder = defaultFolder): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${pid}.starting`);
  const starting: StartingLaptop = { pid, startedAt: new Date().toISOString() };
  // Renamed, because others may read at any moment.
  writeFileSync(`${file}.new`, JSON.stringify(starting), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return () => rmSync(file, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Documents of one kind whose process is there; files of those that were killed are swept away. */
function announced<T extends { readonly pid: number }>(
  folder: string,
  ending: string,
  schema: z.ZodType<T>,
): T[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(ending));
  } catch {
    return [];
  }
  return names.sort().flatMap((name) => {
    const path = join(folder, name);
    const laptop = parseDocument(schema, JSON.parse(readFileSync(path, 'utf8')), path);
    if (isAlive(laptop.pid)) return [laptop];
    rmSync(path, { force: true });
    return [];
  });
}

/** The laptop clouds that run now. */
export const runningLaptops = (folder = defaultFolder): RunningLaptop[] =>
  announced(folder, '.json', RunningLaptop);

/** Those that are on their way. */
export const startingLaptops = (folder = defaultFolder): StartingLaptop[] =>
  announced(folder, '.starting', StartingLaptop);

/**
 * The one running cloud, or among several the one that is named by its port.
 * @throws CommandError where there is none or the choice is open.
 */
export function chooseLaptop(
  running: readonly RunningLaptop[],
  port?: string,
  starting: readonly StartingLaptop[] = [],
): RunningLaptop {
  const ports = running.map((laptop) => laptop.port).join(', ');
  if (port !== undefined) {
    const named = running.find((laptop) => String(laptop.port) === port);
    if (named) return named;
    throw usageError(
      running.length === 0
        ? `no laptop cloud is running on port ${port}; start one with \`slipway local\``
        : `no laptop cloud is running on port ${port}; there is one on ${ports}`,
    );
  }
  const [only, ...others] = running;
  const [first] = starting;
  if (!only && first) {
    throw usageError(
      `a laptop cloud is starting since ${first.startedAt}; wait until it says that it is ready`,
    );
  }
  if (!only) {
    throw usageError(
      'no laptop cloud is running; start one with `slipway local`, or name another environment with --env',
    );
  }
  if (others.length > 0) {
    throw usageError(
      `several laptop clouds are running (ports ${ports}); name one with --cloud <port> or SLIPWAY_CLOUD`,
    );
  }
  return only;
}
