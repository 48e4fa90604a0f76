// KServe's V1 protocol, with an id per prediction and the version that answered.
import { bodyText } from '../body-text.ts';
import type { PredictionCache } from '../cache/prediction-cache.ts';
import { type EndpointReply, jsonHeaders, jsonReply } from '../http-messages.ts';
import type {
  PredictionDetails,
  PredictionPurpose,
  PredictionRecord,
} from '../log/prediction-record.ts';
import { type Prediction, predictRows } from '../predict.ts';
import type { LoadedVersion } from '../versions/loaded-version.ts';
import type { Asked } from './asked.ts';

export type PredictionWithDetails = PredictionDetails & { readonly prediction: number };

/** Body of a reply to `:predict`. */
export interface PredictReply {
  /** The number, or where the model says more of a row, an object with it under `prediction`. */
  readonly predictions: readonly (number | PredictionWithDetails)[];
  readonly prediction_ids: readonly string[];
  readonly model_name: string;
  readonly model_version: string;
}

/** Numbers as a JSON reply has them, each with what the model says beside it. */
const shownPredictions = ({
  predictions,
  details,
}: Pick<Prediction, 'predictions' | 'details'>): PredictReply['predictions'] =>
  Array.from(predictions, (prediction, row) => {
    const said = details?.[row];
    return said ? { ...said, prediction } : prediction;
  });

export const predictReply = (prediction: Prediction): PredictReply => ({
  predictions: shownPredictions(prediction),
  prediction_ids: prediction.ids,
  model_name: prediction.version.model,
  model_version: String(prediction.version.version),
});

/** Written as text where each prediction is a number: JSON.stringify would need an array of them first. */
export function replyV1(prediction: Prediction): EndpointReply {
  const { predictions, details, ids, version } = prediction;
  if (details) return jsonReply(200, predictReply(prediction));
  // Ids are model names, numbers and hex digits: nothing that JSON writes otherwise.
  const body = `{"predictions":[${predictions.join(',')}],"prediction_ids":["${ids.join('","')}"],"model_name":"${version.model}","model_version":"${version.version}"}`;
  return { status: 200, headers: jsonHeaders, body };
}

/** @throws InvalidRequestError */
export const askV1 = (version: LoadedVersion, body: Uint8Array): Asked => ({
  instances: version.parse(bodyText(body)),
  reply: replyV1,
});

export interface PredictRequest {
  readonly body: string;
  readonly requestId: string;
  readonly purpose?: PredictionPurpose | undefined;
}

export interface Predicted extends Pick<Prediction, 'sharedCache' | 'kept'> {
  readonly reply: PredictReply;
  readonly records: readonly PredictionRecord[];
}

/** Answers one V1 body with one version, for whoever has no endpoint. */
export async function predict(
  version: LoadedVersion,
  { body, requestId, purpose }: PredictRequest,
  cache?: PredictionCache,
): Promise<Predicted> {
  const instances = version.parse(body);
  const prediction = await predictRows(version, { instances, requestId, purpose }, cache);
  const { sharedCache, kept } = prediction;
  return { reply: predictReply(prediction), records: prediction.records(), sharedCache, kept };
}
