import { GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import { ModelVersionNotFoundError, RunNotFoundError } from '../core/registry/errors.ts';
import {
  Dataset,
  LineageEdge,
  type LineageNode,
  ModelVersion,
  Run,
  type RunOutcome,
  TrainingRecord,
} from '../core/registry/records.ts';
import {
  backOff,
  conditionMet,
  type DynamodbTable,
  dynamodbTable,
  type TableOptions,
  type TransactItems,
} from './dynamodb-table.ts';

export interface FinishedRun {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  readonly finishedAt: string;
  readonly outcome?: RunOutcome | undefined;
  readonly reasons?: readonly string[] | undefined;
  readonly version?: number | undefined;
  readonly trainingId?: string | undefined;
}

const modelPk = (model: string) => `MODEL#${model}`;
const runKey = (model: string, runId: string) => ({ pk: modelPk(model), sk: `RUN#${runId}` });
const versionKey = (model: string, version: number) => ({
  pk: modelPk(model),
  sk: `VERSION#${String(version).padStart(6, '0')}`,
});
const trainingKey = (model: string, id: string) => ({ pk: modelPk(model), sk: `TRAINING#${id}` });
const nodePk = (model: string, { type, id }: LineageNode) => `NODE#${model}#${type}#${id}`;

const reserveAttempts = 20;

/**
 * Models, versions, runs, datasets and the edges between them. Every read is strongly consistent.
 * Rejects with the SDK's error where DynamoDB does, with InvalidDocumentError where a stored record
 * has another form.
 */
export function dynamodbRegistry(options: TableOptions) {
  const table = dynamodbTable(options);
  return { ...runRecords(table), ...versionRecords(table), ...datasetRecords(table) };
}
export type DynamodbRegistry = ReturnType<typeof dynamodbRegistry>;

function runRecords(table: DynamodbTable) {
  const { client, name: TableName } = table;

  /** Sets attributes of a run's record; false where there is no record, or none of the status. */
  const update = (
    model: string,
    runId: string,
    changes: Partial<Run>,
    onlyIf?: { readonly status: Run['status'] },
  ): Promise<boolean> => {
    const set = nestedSet(changes);
    return conditionMet(
      client.send(
        new UpdateCommand({
          TableName,
          Key: runKey(model, runId),
          UpdateExpression: set.expression,
          ConditionExpression: onlyIf ? '#document.#status = :onlyIf' : 'attribute_exists(pk)',
          ExpressionAttributeNames: { ...set.names, ...(onlyIf && { '#status': 'status' }) },
          ExpressionAttributeValues: { ...set.values, ...(onlyIf && { ':onlyIf': onlyIf.status }) },
        }),
      ),
    );
  };

  const getRun = async (model: string, runId: string): Promise<Run> => {
    const run = await table.get(runKey(model, runId), Run, `run ${runId}`);
    if (!run) throw new RunNotFoundError(model, runId);
    return run;
  };

  return {
    /** Records that a run begins; keeps what is there, whatever has become of it since. */
    async putRun(run: Run): Promise<void> {
      await conditionMet(
        client.send(
          new PutCommand({
            TableName,
            Item: { ...runKey(run.model, run.runId), document: run },
            ConditionExpression: 'attribute_not_exists(pk)',
          }),
        ),
      );
    },

    /** @throws RunNotFoundError */
    getRun,

    /** Newest first. */
    listRuns: (model: string, limit?: number): Promise<Run[]> =>
      table.list(
        {
          pk: modelPk(model),
          prefix: 'RUN#',
          descending: true,
          ...(limit !== undefined && { limit }),
        },
        Run,
        `a run of ${model}`,
      ),

    /** Notes what a run that goes on has come to know. @throws RunNotFoundError */
    async annotateRun(
      model: string,
      runId: string,
      facts: Pick<Run, 'trainingId' | 'trainingJobName'>,
    ): Promise<void> {
      if (!(await update(model, runId, facts))) throw new RunNotFoundError(model, runId);
    },

    /**
     * Records how a run ended. The first end that is recorded stays; false for any later one.
     * @throws RunNotFoundError
     */
    async finishRun(model: string, runId: string, end: FinishedRun): Promise<boolean> {
      const met = await update(
        model,
        runId,
        { ...end, reasons: [...(end.reasons ?? [])] },
        { status: 'RUNNING' },
      );
      if (!met) await getRun(model, runId);
      return met;
    },
  };
}

/** SET #document.#a = :a, … for every attribute that has a value. */
function nestedSet(changes: Readonly<Record<string, unknown>>) {
  const entries = Object.entries(changes).filter(([, value]) => value !== undefined);
  return {
    expression: `SET ${entries.map(([key]) => `#document.#${key} = :${key}`).join(', ')}`,
    names: Object.fromEntries([
      ['#document', 'document'],
      ...entries.map(([key]) => [`#${key}`, key]),
    ]) as Record<string, string>,
    values: Object.fromEntries(entries.map(([key, value]) => [`:${key}`, value])),
  };
}

function versionRecords(table: DynamodbTable) {
  const { client, name: TableName } = table;

  const training = (model: string, trainingId: string): Promise<TrainingRecord | undefined> =>
    table.get(trainingKey(model, trainingId), TrainingRecord, `training ${trainingId}`);

  async function nextVersion(model: string): Promise<number> {
    const { Item } = await client.send(
      new GetCommand({
        TableName,
        Key: { pk: modelPk(model), sk: 'META' },
        ConsistentRead: true,
      }),
    );
    return Item ? z.int().positive().parse(Item['nextVersion']) : 1;
  }

  return {
    /** @throws ModelVersionNotFoundError */
    async getVersion(model: string, version: number): Promise<ModelVersion> {
      const found = await table.get(
        versionKey(model, version),
        ModelVersion,
        `version ${version} of ${model}`,
      );
      if (!found) throw new ModelVersionNotFoundError(model, version);
      return found;
    },

    /** Newest first. */
    listVersions: (model: string): Promise<ModelVersion[]> =>
      table.list(
        { pk: modelPk(model), prefix: 'VERSION#', descending: true },
        ModelVersion,
        `a version of ${model}`,
      ),

    /** Names of the models that have a version, in alphabetical order. */
    async listModels(): Promise<string[]> {
      const models = await table.list({ pk: 'MODELS' }, ListedModel, 'a listed model');
      return models.map(({ model }) => model);
    },

    /** What became of a training; undefined where it has not come to an end yet. */
    async findTraining(
      model: string,
      trainingId: string,
    ): Promise<Exclude<TrainingRecord, { outcome: 'reserved' }> | undefined> {
      const found = await training(model, trainingId);
      return found?.outcome === 'reserved' ? undefined : found;
    },

    /**
     * Sets a version number aside for a training: always the same one for the same training, so that
     * a registration that is interrupted and repeated writes over its own objects.
     */
    async reserveVersion(
      model: string,
      trainingId: string,
    ): Promise<{ version: number; registered: boolean }> {
      for (let attempt = 0; attempt < reserveAttempts; attempt += 1) {
        const found = await training(model, trainingId);
        if (found && found.outcome !== 'rejected') {
          return { version: found.version, registered: found.outcome === 'registered' };
        }
        const version = await nextVersion(model);
        if (await table.transact(reservation(TableName, model, trainingId, version))) {
          return { version, registered: false };
        }
        await backOff(attempt);
      }
      throw new Error(
        `no version number for ${model} after ${reserveAttempts} attempts; retry the run from RegisterVersion`,
      );
    },

    /**
     * Writes a reserved version, its training, its edges both ways, its run and the list of models,
     * all or nothing. Writing it again changes nothing.
     * @param rejection why the gate refused the version; empty where it passed
     */
    async registerVersion(
      version: ModelVersion,
      edges: readonly LineageEdge[],
      rejection: readonly string[] = [],
    ): Promise<void> {
      if (await table.transact(registration(TableName, version, edges, rejection))) return;
      const found = await training(version.model, version.trainingId);
      if (found?.outcome === 'registered' && found.version === version.version) return;
      throw new Error(
        `version ${version.version} of ${version.model} was not written, because it is not reserved for training ${version.trainingId} or run ${version.runId} is not recorded; retry the run from RegisterVersion`,
      );
    },

    /** Remembers that the gate refused a training; a registered one stays registered. */
    async recordRejection(
      model: string,
      trainingId: string,
      reasons: readonly string[],
    ): Promise<void> {
      const document: TrainingRecord = { outcome: 'rejected', reasons: [...reasons] };
      await conditionMet(
        client.send(
          new PutCommand({
            TableName,
            Item: { ...trainingKey(model, trainingId), document },
            ConditionExpression: 'attribute_not_exists(pk)',
          }),
        ),
      );
    },

    /** The edges that begin or end at a node. */
    async edges(model: string, node: LineageNode): Promise<LineageEdge[]> {
      return table.list({ pk: nodePk(model, node) }, LineageEdge, 'an edge of lineage');
    },
  };
}

const ListedModel = z.strictObject({ model: z.string(), registeredAt: z.string() });

/** The number is taken from the counter and given to the training in one step. */
function reservation(
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

function registration(
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

function datasetRecords(table: DynamodbTable) {
  return {
    /** Records a snapshot; taking the same one again makes it the latest. */
    async putDataset(dataset: Dataset): Promise<void> {
      await table.client.send(
        new PutCommand({
          TableName: table.name,
          Item: {
            pk: modelPk(dataset.model),
            sk: `DATASET#${dataset.snapshotId}`,
            document: dataset,
          },
        }),
      );
    },

    /** The snapshot that was taken last; undefined before the first. */
    async latestDataset(model: string): Promise<Dataset | undefined> {
      const datasets = await table.list(
        { pk: modelPk(model), prefix: 'DATASET#' },
        Dataset,
        `a dataset of ${model}`,
      );
      return datasets.reduce<Dataset | undefined>(
        (latest, dataset) => (latest && latest.takenAt >= dataset.takenAt ? latest : dataset),
        undefined,
      );
    },
  };
}
