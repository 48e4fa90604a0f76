import { decodedBody, encodedReply } from '../../adapters/content-encoding.ts';
import { errorReply } from '../../core/inference/http-messages.ts';
import { columnsVersion } from '../builders/columns-version.ts';
import { modelVersion } from '../builders/model-version.ts';
import { askJson, endpointOf, jsonRequest, servedModel } from '../builders/served-model.ts';
import type { FuzzedModel } from './mutations.ts';
import { plain, type Send } from './run-fuzz.ts';

/** Two models with real graphs behind a door: one of numbers alone, one of raw columns of every type. */
export async function servedDoor(): Promise<{ models: FuzzedModel[]; send: Send }> {
  const built = [
    modelVersion(3, { weights: [0.01, -0.2], bias: 0.5 }, 'numbers'),
    columnsVersion(1, 'columns'),
  ];
  const endpoint = endpointOf(
    built.map((version) => servedModel(version, { keepsAnswers: false }).served),
    { scoring: { defaultModel: 'numbers' } },
  );
  const models = await Promise.all(
    built.map(async ({ record }) => {
      const { body } = await askJson(endpoint, jsonRequest(`/v2/models/${record.model}`));
      return body as FuzzedModel;
    }),
  );
  const send: Send = async ({ method, path, headers, body: sent }) => {
    const {
      status,
      headers: said,
      body,
    } = await (async () => {
      try {
        const body = await decodedBody(sent, headers['content-encoding']);
        const reply = await endpoint({ method, path, headers, body, requestId: 'fuzz' });
        return await encodedReply(reply, headers['accept-encoding']);
      } catch (error) {
        return errorReply(error, 'fuzz');
      }
    })();
    return {
      status,
      contentType: said['Content-Type'],
      body: plain(Buffer.from(body), said['Content-Encoding']),
    };
  };
  return { models, send };
}
