import { s3Objects } from '../../adapters/s3-objects.ts';
import { log } from '../../adapters/structured-log.ts';
import { hashOf } from '../../core/canonical-json.ts';
import { HttpError } from '../../core/inference/http-error.ts';
import type { LabelRecord } from '../../core/inference/log/prediction-record.ts';
import { labelsParser } from '../../core/monitoring/parse-labels.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { httpHandler } from '../runtime/http-handler.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { ReceiveFeedbackEnvironment } from './receive-feedback.contract.ts';

const environment = parseEnvironment(ReceiveFeedbackEnvironment, process.env);
const model = environment.MODEL_NAME;
const data = s3Objects({ bucket: environment.DATA_BUCKET });
const parseLabels = labelsParser(loadModelDefinition(environment.LAMBDA_TASK_ROOT));

export const handler = httpHandler(async ({ method, path, body, requestId }) => {
  if (`${method} ${path}` !== `POST /v1/models/${model}:feedback`) {
    throw new HttpError(
      404,
      `there is nothing at ${path.slice(0, 200)}; use POST /v1/models/${model}:feedback`,
    );
  }
  const labels = parseLabels(body);
  const receivedAt = new Date().toISOString();
  // Named by its content: a caller who repeats a request, unsure of its fate, adds nothing.
  const key = `labels/${model}/dt=${receivedAt.slice(0, 10)}/${hashOf(labels)}.jsonl`;
  const lines = labels.map((label): LabelRecord => ({ ...label, receivedAt }));
  await data.put(key, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  log('info', 'labels received', { requestId, labels: labels.length, key });
  return { status: 200, body: { accepted: labels.length } };
});
