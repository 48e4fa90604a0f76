import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { BatchPlan, batchKeys } from '../../core/inference/files/batch-documents.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { batchVersion, keptRowsFile } from './batch-parts.ts';
import {
  ScoreShardEnvironment,
  ScoreShardEvent,
  ScoreShardResult,
} from './score-shard.contract.ts';
import { scoreShard } from './score-shard.ts';

const environment = parseEnvironment(ScoreShardEnvironment, process.env);
const registry = dynamodbRegistry({ tableName: environment.REGISTRY_TABLE });
const data = s3Objects({ bucket: environment.DATA_BUCKET });
const place = {
  data,
  version: batchVersion({
    record: (version) => registry.getVersion(environment.MODEL_NAME, version),
    read: s3Objects({ bucket: environment.ARTIFACTS_BUCKET }).get,
    createSession: (request) => createModelSession(request),
  }),
  rowsFile: keptRowsFile(data),
};

export const handler = stepHandler(
  { event: ScoreShardEvent, result: ScoreShardResult },
  async ({ prefix, shard }) => {
    const key = batchKeys(prefix).plan;
    const plan = parseDocument(BatchPlan, await data.getJson(key), key);
    return scoreShard(place, plan, prefix, shard);
  },
);
