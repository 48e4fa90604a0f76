import * as z from 'zod';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { mostHoldoutInstances } from '../../core/features/holdout-instances.ts';
import {
  ContainerFaultError,
  ContainerTimeoutError,
} from '../../core/inference/containers/container-errors.ts';
import { InvalidRequestError } from '../../core/inference/invalid-request-error.ts';
import {
  costPer1000Predictions,
  type Measurement,
  type MeasurementResult,
} from '../../core/inference/measurement.ts';
import { PredictionFaultError } from '../../core/inference/predict.ts';
import { predict } from '../../core/inference/protocols/v1.ts';
import {
  type Artifact,
  assembleVersion,
  CorruptVersionError,
  type VersionParts,
} from '../../core/inference/versions/load-version.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { quantile } from '../../core/training/compare-versions.ts';
import { prefixIn } from '../training/unusable-candidate.ts';
import type { MeasureCandidateEvent } from './measure-candidate.contract.ts';

export interface MeasuringPlace {
  readonly model: string;
  readonly data: S3Objects;
  readonly artifacts: S3Objects;
  readonly createSession: VersionParts['createSession'];
  readonly memoryMb: number;
  readonly architecture: string;
  /** Of a model that a container answers. */
  readonly containerMemoryMb?: number | undefined;
  /** Of a model that is served by tasks on Fargate. */
  readonly task?: Measurement['task'] | undefined;
}
type Event = z.infer<typeof MeasureCandidateEvent>;

const Instances = z.object({
  instances: z.array(z.record(z.string(), z.unknown())).min(1).max(mostHoldoutInstances),
});

const warmUpRequests = 20;
const singleRequests = 200;
const batchRows = 50;
const batchRequests = 20;

/** What a candidate's own fault is: all else is a failure. */
const isCandidates = (error: unknown): error is Error =>
  error instanceof CorruptVersionError ||
  error instanceof ContainerFaultError ||
  error instanceof ContainerTimeoutError ||
  error instanceof PredictionFaultError ||
  error instanceof InvalidRequestError;

async function load(place: MeasuringPlace, event: Event) {
  const { artifacts, createSession, data, model } = place;
  const prefix = prefixIn(artifacts.bucket, event.modelArtifacts);
  const sources: Record<Artifact, () => Promise<Uint8Array>> = {
    'model.onnx': () => artifacts.get(`${prefix}model.onnx`),
    'parity.json': () => artifacts.get(`${prefix}parity.json`),
    'features.json': () => data.get(event.featuresKey),
    'signature.json': () => data.get(event.signatureKey),
  };
  const { endpointName } = event;
  const archive = endpointName === undefined ? undefined : `${prefix}model.tar.gz`;
  let modelBytes = archive === undefined ? 0 : ((await artifacts.find(archive))?.bytes ?? 0);
  const startedAt = performance.now();
  const version = await assembleVersion({
    model,
    // It has no number yet.
    version: 0,
    endpointName,
    createSession,
    async read(name) {
      const bytes = await sources[name]();
      if (name === 'model.onnx') modelBytes = bytes.length;
      return bytes;
    },
  });
  return { version, modelBytes, loadMs: performance.now() - startedAt };
}

/** Milliseconds of requests, one after the other, as the endpoint answers them, ascending. */
async function timed(version: LoadedVersion, bodies: readonly string[]): Promise<Float64Array> {
  const taken = new Float64Array(bodies.length);
  for (const [i, body] of bodies.entries()) {
    const startedAt = performance.now();
    const { reply } = await predict(version, { body, requestId: 'measurement' });
    JSON.stringify(reply);
    taken[i] = performance.now() - startedAt;
  }
  return taken.sort();
}

const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;

async function measure(
  place: MeasuringPlace,
  { loadMs, modelBytes, version }: Awaited<ReturnType<typeof load>>,
  instances: readonly unknown[],
): Promise<Measurement> {
  const body = (from: number, rows: number) =>
    JSON.stringify({
      instances: Array.from({ length: rows }, (_, i) => instances[(from + i) % instances.length]),
    });
  const requests = (count: number, rows: number) =>
    Array.from({ length: count }, (_, i) => body(i * rows, rows));
  await timed(version, requests(warmUpRequests, 1));
  const single = await timed(version, requests(singleRequests, 1));
  const batch = await timed(version, requests(batchRequests, batchRows));
  const meanMs = single.reduce((sum, ms) => sum + ms, 0) / single.length;
  return {
    memoryMb: place.memoryMb,
    architecture: place.architecture,
    ...(place.containerMemoryMb !== undefined && { containerMemoryMb: place.containerMemoryMb }),
    ...(place.task && { task: place.task }),
    single: {
      requests: single.length,
      p50Ms: rounded(quantile(single, 0.5)),
      p95Ms: rounded(quantile(single, 0.95)),
      meanMs: rounded(meanMs),
    },
    batch: { rows: batchRows, requests: batch.length, p50Ms: rounded(quantile(batch, 0.5)) },
    loadMs: rounded(loadMs),
    modelBytes,
    costPer1000PredictionsUsd: costPer1000Predictions(meanMs, place),
  };
}

/**
 * Loads a candidate as the endpoint does and has it answer rows of the holdout. This runs with the memory,
 * the processor and the runtime of the function that would serve it.
 * @throws UnfitGraphError, InvalidDocumentError when it has not the form of a model; UnusableCandidateError
 * when it lies elsewhere.
 */
export async function measureCandidate(
  place: MeasuringPlace,
  event: Event,
): Promise<MeasurementResult> {
  const { data } = place;
  const document = await data.getJson(event.instancesKey);
  const { instances } = parseDocument(Instances, document, event.instancesKey);
  try {
    const loaded = await load(place, event);
    try {
      return { outcome: 'measured', measurement: await measure(place, loaded, instances) };
    } finally {
      await loaded.version.session.release();
    }
  } catch (error) {
    if (!isCandidates(error)) throw error;
    return { outcome: 'not_measured', reason: error.message };
  }
}
