import type * as z from 'zod';
import { sha256 } from '../../canonical-json.ts';
import { FeatureSpec } from '../../features/feature-spec.ts';
import { parseDocument } from '../../parse-document.ts';
import type { ModelVersion } from '../../registry/records.ts';
import {
  ParitySample,
  parityInput,
  parityTolerance,
  unfitSample,
} from '../parity/parity-sample.ts';
import { instancesParser } from '../parse-instances.ts';
import { Signature } from '../signature.ts';
import type { LoadedVersion, ModelSession, SessionRequest } from './loaded-version.ts';

/** A version's artifacts are not what was registered, or do not fit together: it must not serve. */
export class CorruptVersionError extends Error {
  override readonly name = 'CorruptVersionError';
}

export interface VersionSource {
  /** The registry's record of the version. */
  record(version: number): Promise<ModelVersion>;
  /** An object of the artifacts bucket. */
  read(key: string): Promise<Uint8Array>;
  createSession(request: SessionRequest): Promise<ModelSession>;
}

export type Artifact = 'model.onnx' | 'signature.json' | 'features.json' | 'parity.json';

/** What a version is put together from, registered or not yet. */
export interface VersionParts extends Pick<VersionSource, 'createSession'> {
  readonly model: string;
  readonly version: number;
  /** Of the endpoint that answers for it; without one, its graph does. */
  readonly endpointName?: string | undefined;
  read(name: Artifact): Promise<Uint8Array>;
}

/** @throws CorruptVersionError where the artifact is not what was registered. */
export async function readVerified(
  source: Pick<VersionSource, 'read'>,
  record: ModelVersion,
  name: Artifact,
): Promise<Uint8Array> {
  const registered = record.artifacts[name];
  const what = `${name} of ${record.model} version ${record.version}`;
  if (!registered) throw new CorruptVersionError(`${what} was never registered`);
  const bytes = await source.read(`${record.artifactsPrefix}${name}`);
  const found = sha256(bytes);
  if (found !== registered.sha256) {
    throw new CorruptVersionError(
      `${what} has SHA-256 ${found} and was registered with ${registered.sha256}; restore the object`,
    );
  }
  return bytes;
}

function checkFit(
  { model, version, endpointName }: VersionParts,
  signature: Signature,
  spec: FeatureSpec,
  sample: ParitySample,
) {
  const what = `version ${version} of ${model}`;
  if (signature.model !== model) {
    throw new CorruptVersionError(`${what} has the signature of model ${signature.model}`);
  }
  const width = spec.input === 'features' ? spec.features.length : undefined;
  if (signature.tensor?.width !== width) {
    const takes = spec.columns ? `${spec.columns.length} raw columns` : `${width} features`;
    throw new CorruptVersionError(
      `${what} has a tensor of width ${signature.tensor?.width ?? 'none'} and takes ${takes}`,
    );
  }
  const unfit = unfitSample(spec, sample);
  if (unfit !== undefined) {
    const takes = spec.columns?.map(({ name }) => name).join(', ') ?? `a width of ${width}`;
    throw new CorruptVersionError(`${what} takes ${takes}, and its parity sample has ${unfit}`);
  }
  if ((signature.runtime === 'container') !== (endpointName !== undefined)) {
    throw new CorruptVersionError(
      `${what} runs in ${signature.runtime === 'onnx' ? 'ONNX Runtime' : 'a container'}, and was registered ${endpointName === undefined ? 'without an endpoint' : `with the endpoint ${endpointName}`}`,
    );
  }
}

/** One run, so that the first caller does not pay for it; it must give what the trainer gave. */
async function warmUp(
  session: ModelSession,
  spec: FeatureSpec,
  sample: ParitySample,
  what: string,
): Promise<void> {
  const [answer] = (await session.run(parityInput(spec, sample, 1))).predictions;
  const expected = sample.output.data[0] ?? Number.NaN;
  const tolerance = parityTolerance(sample, expected);
  if (answer === undefined || !(Math.abs(answer - expected) <= tolerance)) {
    throw new CorruptVersionError(
      `${what} answers ${answer} to the first row of its parity sample, where its trainer gave ${expected}`,
    );
  }
}

/** What computes the answers, and the hash of it. */
async function programOf({ endpointName, read }: VersionParts) {
  if (endpointName !== undefined) {
    // The endpoint is named after its training job, which has one outcome.
    const sha = sha256(endpointName);
    return { computing: { runtime: 'container', endpointName } as const, sha256: sha };
  }
  const onnx = await read('model.onnx');
  return { computing: { runtime: 'onnx', onnx } as const, sha256: sha256(onnx) };
}

/**
 * Puts a version together and warms its graph up.
 * @throws CorruptVersionError when the parts do not fit each other.
 */
export async function assembleVersion(parts: VersionParts): Promise<LoadedVersion> {
  const { model, version } = parts;
  const parsed = <Schema extends z.ZodType>(name: Artifact, bytes: Uint8Array, schema: Schema) => {
    const text = new TextDecoder().decode(bytes);
    return parseDocument(schema, JSON.parse(text), `${name} of ${model} v${version}`);
  };
  const [program, features, ...others] = await Promise.all([
    programOf(parts),
    parts.read('features.json'),
    parts.read('signature.json'),
    parts.read('parity.json'),
  ]);
  const spec = parsed('features.json', features, FeatureSpec);
  const signature = parsed('signature.json', others[0], Signature);
  const sample = parsed('parity.json', others[1], ParitySample);
  checkFit(parts, signature, spec, sample);
  const session = await parts.createSession({ ...program.computing, spec, signature });
  try {
    await warmUp(session, spec, sample, `version ${version} of ${model}`);
  } catch (error) {
    await session.release();
    throw error;
  }
  return {
    model,
    version,
    identity: { modelSha256: program.sha256, featuresSha256: sha256(features) },
    signature,
    spec,
    parse: instancesParser(signature),
    session,
  };
}

/**
 * Loads a version: reads what was registered, verifies each hash, warms the graph up.
 * @throws CorruptVersionError when the artifacts are not what was registered.
 */
export async function loadVersion(source: VersionSource, version: number): Promise<LoadedVersion> {
  const record = await source.record(version);
  return assembleVersion({
    model: record.model,
    version,
    endpointName: record.endpointName,
    read: (name) => readVerified(source, record, name),
    createSession: source.createSession,
  });
}
