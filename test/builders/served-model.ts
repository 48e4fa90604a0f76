import { createModelSession } from '../../adapters/model-session.ts';
import {
  type EndpointOptions,
  type EndpointReply,
  type EndpointRequest,
  inferenceEndpoint,
  type ServedModel,
} from '../../core/inference/endpoint.ts';
import type { Prediction } from '../../core/inference/predict.ts';
import { LiveVersions } from '../../core/inference/versions/live-versions.ts';
import { loadVersion } from '../../core/inference/versions/load-version.ts';
import type { BuiltVersion } from './model-version.ts';

/** A built version, live and served by ONNX Runtime; what it answered is kept in `answers`, unless not wanted. */
export function servedModel({ record, objects }: BuiltVersion, { keepsAnswers = true } = {}) {
  const { model, version } = record;
  const answers: Prediction[] = [];
  const versions = new LiveVersions({
    model,
    head: async () => ({ model, sequence: 1, live: version }),
    formerlyLive: async () => [],
    load: (number) =>
      loadVersion(
        {
          record: async () => record,
          read: async (key) =>
            objects.get(key) ?? Promise.reject(new Error(`there is no object ${key}`)),
          createSession: createModelSession,
        },
        number,
      ),
    onFailure: ({ error }) => {
      throw error;
    },
  });
  const answered = (prediction: Prediction): void => {
    // Whoever asks very often must not grow by it, but see the log's work done.
    if (keepsAnswers) answers.push(prediction);
    else prediction.lines();
  };
  const served: ServedModel = { name: model, versions, answered };
  return { served, answers };
}

export type Endpoint = (request: EndpointRequest) => Promise<EndpointReply>;

/** An endpoint of these models, as a door has one. */
export const endpointOf = (models: readonly ServedModel[], options?: EndpointOptions): Endpoint =>
  inferenceEndpoint(new Map(models.map((model) => [model.name, model])), options);

export const jsonRequest = (
  path: string,
  body?: unknown,
  headers: EndpointRequest['headers'] = {},
): EndpointRequest => ({
  method: body === undefined ? 'GET' : 'POST',
  path,
  headers,
  body: Buffer.from(
    body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body),
  ),
  requestId: 'request-1',
});

/** Status and parsed body of a JSON reply. */
export async function askJson(endpoint: Endpoint, request: EndpointRequest) {
  const { status, headers, body } = await endpoint(request);
  return { status, headers, body: JSON.parse(Buffer.from(body).toString()) };
}
