import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { HealthRecord, noteHealth, VersionHealth } from '../core/delivery/version-health.ts';
import { backOff, conditionMet, dynamodbTable, type TableOptions } from './dynamodb-table.ts';

const recordAttempts = 30;

const healthPk = (model: string) => `HEALTH#${model}`;
const healthKey = (model: string, version: number) => ({
  pk: healthPk(model),
  sk: `VERSION#${String(version).padStart(6, '0')}`,
});

/** So many others recorded at the same time that this record did not find its place. */
export class HealthContentionError extends Error {
  override readonly name = 'HealthContentionError';
}

/** How versions served, as the scheduled checks saw them. Every read is strongly consistent. */
export function dynamodbVersionHealth(options: TableOptions) {
  const table = dynamodbTable(options);

  const find = (model: string, version: number): Promise<VersionHealth | undefined> =>
    table.get(
      healthKey(model, version),
      VersionHealth,
      `the health of version ${version} of ${model}`,
    );

  /** True where nobody recorded in between. */
  const replace = (before: VersionHealth | undefined, after: VersionHealth): Promise<boolean> =>
    conditionMet(
      table.client.send(
        new PutCommand({
          TableName: table.name,
          Item: { ...healthKey(after.model, after.version), document: after },
          ...(before === undefined
            ? { ConditionExpression: 'attribute_not_exists(pk)' }
            : {
                ConditionExpression: '#document = :before',
                ExpressionAttributeNames: { '#document': 'document' },
                ExpressionAttributeValues: { ':before': before },
              }),
        }),
      ),
    );

  return {
    /**
     * Notes what a check saw of the live version; the same record again, or an older one, changes nothing.
     * @throws HealthContentionError
     */
    async record(model: string, version: number, seen: HealthRecord): Promise<VersionHealth> {
      const record = HealthRecord.parse(seen);
      for (let attempt = 0; attempt < recordAttempts; attempt += 1) {
        const before = await find(model, version);
        const after = noteHealth(before, { model, version }, record);
        if (after === before || (await replace(before, after))) return after;
        await backOff(attempt);
      }
      throw new HealthContentionError(
        `the health of version ${version} of ${model} took no record in ${recordAttempts} attempts; the next check records again`,
      );
    },

    /** Undefined where no check has looked at the version yet. */
    find,

    /** Of every version that a check has looked at, oldest version first. */
    list: (model: string): Promise<VersionHealth[]> =>
      table.list({ pk: healthPk(model) }, VersionHealth, `the health of a version of ${model}`),
  };
}
export type DynamodbVersionHealth = ReturnType<typeof dynamodbVersionHealth>;
