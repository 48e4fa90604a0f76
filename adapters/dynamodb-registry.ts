import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import {
  Dataset,
  LineageEdge,
  type LineageNode,
  ModelVersion,
  TrainingRecord,
} from '../core/registry/records.ts';
import { registration, reservation } from './dynamodb-registration.ts';
import { modelPk, nodePk, trainingKey } from './dynamodb-registry-keys.ts';
import { runRecords } from './dynamodb-runs.ts';
import {
  backOff,
  conditionMet,
  type DynamodbTable,
  dynamodbTable,
  type TableOptions,
} from './dynamodb-table.ts';
import { versionRecord } from './serving-records.ts';

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
    getVersion: (model: string, version: number): Promise<ModelVersion> =>
      versionRecord(table, model, version),

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
