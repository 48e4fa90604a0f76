import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { RunNotFoundError } from '../core/registry/errors.ts';
import { Run, type RunOutcome } from '../core/registry/records.ts';
import { modelPk, nestedSet, runKey } from './dynamodb-registry-keys.ts';
import { conditionMet, type DynamodbTable } from './dynamodb-table.ts';

export interface FinishedRun {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  readonly finishedAt: string;
  readonly outcome?: RunOutcome | undefined;
  readonly reasons?: readonly string[] | undefined;
  readonly version?: number | undefined;
  readonly trainingId?: string | undefined;
}

/** The records of runs. */
export function runRecords(table: DynamodbTable) {
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
