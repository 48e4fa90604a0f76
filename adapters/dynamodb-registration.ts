import type { LineageEdge, ModelVersion, TrainingRecord } from '../core/registry/records.ts';
import {
  modelPk,
  nestedSet,
  nodePk,
  runKey,
  trainingKey,
  versionKey,
} from './dynamodb-registry-keys.ts';
import type { TransactItems } from './dynamodb-table.ts';

/** The number is taken from the counter and given to the training in one step. */
export function reservation(
  TableName: string,
  model: string,
  trainingId: string,
  version: number,
): TransactItems {
  const document: TrainingRecord = { outcome: 'reserved', version };
  return [
    {
      Put: {
        TableName,
        Item: { pk: modelPk(model), sk: 'META', nextVersion: version + 1 },
        ConditionExpression: 'attribute_not_exists(pk) OR nextVersion = :version',
        ExpressionAttributeValues: { ':version': version },
      },
    },
    {
      Put: {
        TableName,
        Item: { ...trainingKey(model, trainingId), document },
        ConditionExpression: 'attribute_not_exists(pk) OR #document.#outcome = :rejected',
        ExpressionAttributeNames: { '#document': 'document', '#outcome': 'outcome' },
        ExpressionAttributeValues: { ':rejected': 'rejected' },
      },
    },
  ];
}

/** A version, its training, its run, the list of models and its edges, in one transaction. */
export function registration(
  TableName: string,
  version: ModelVersion,
  edges: readonly LineageEdge[],
  rejection: readonly string[],
): TransactItems {
  const { model, trainingId, runId, trainingJobName } = version;
  const trainingDocument: TrainingRecord = {
    outcome: 'registered',
    version: version.version,
    ...(rejection.length > 0 && { rejection: [...rejection] }),
  };
  const runSet = nestedSet({ version: version.version, trainingId, trainingJobName });
  return [
    {
      Put: {
        TableName,
        Item: { ...versionKey(model, version.version), document: version },
        ConditionExpression: 'attribute_not_exists(pk)',
      },
    },
    {
      Put: {
        TableName,
        Item: { ...trainingKey(model, trainingId), document: trainingDocument },
        ConditionExpression: '#document.#outcome = :reserved AND #document.#version = :version',
        ExpressionAttributeNames: {
          '#document': 'document',
          '#outcome': 'outcome',
          '#version': 'version',
        },
        ExpressionAttributeValues: { ':reserved': 'reserved', ':version': version.version },
      },
    },
    {
      Update: {
        TableName,
        Key: runKey(model, runId),
        UpdateExpression: runSet.expression,
        ConditionExpression: 'attribute_exists(pk)',
        ExpressionAttributeNames: runSet.names,
        ExpressionAttributeValues: runSet.values,
      },
    },
    {
      Put: {
        TableName,
        Item: {
          pk: 'MODELS',
          sk: model,
          document: { model, registeredAt: version.registeredAt },
        },
      },
    },
    ...edges.flatMap((edge) => edgeItems(TableName, model, edge)),
  ];
}

function edgeItems(TableName: string, model: string, edge: LineageEdge): TransactItems {
  const { from, relation, to } = edge;
  return [
    { pk: nodePk(model, from), sk: `OUT#${relation}#${to.type}#${to.id}` },
    { pk: nodePk(model, to), sk: `IN#${relation}#${from.type}#${from.id}` },
  ].map((key) => ({ Put: { TableName, Item: { ...key, document: edge } } }));
}
