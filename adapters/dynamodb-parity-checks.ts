import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { ParityCheck } from '../core/inference/parity/parity-check.ts';
import { conditionMet, dynamodbTable, type TableOptions } from './dynamodb-table.ts';

const parityPk = (model: string) => `PARITY#${model}`;
const ofVersion = (version: number) => `VERSION#${String(version).padStart(6, '0')}#`;

/** Comparisons of versions with their notebooks. Every read is strongly consistent. */
export function dynamodbParityChecks(options: TableOptions) {
  const table = dynamodbTable(options);
  return {
    /** Keeps a check; one that is there already stays as it is, and the same one again changes nothing. */
    async put(check: ParityCheck): Promise<void> {
      const document = ParityCheck.parse(check);
      const { checkedAt, model, predictions, version } = document;
      // Two people may check different files at the same moment.
      const sk = `${ofVersion(version)}${checkedAt}#${predictions.sha256}`;
      await conditionMet(
        table.client.send(
          new PutCommand({
            TableName: table.name,
            Item: { pk: parityPk(model), sk, document },
            ConditionExpression: 'attribute_not_exists(pk)',
          }),
        ),
      );
    },

    /** The newest check of a version; undefined where it was never compared, or there is no version. */
    async newest(model: string, version: number | null): Promise<ParityCheck | undefined> {
      if (version === null) return undefined;
      const [newest] = await table.list(
        { pk: parityPk(model), prefix: ofVersion(version), descending: true, limit: 1 },
        ParityCheck,
        `a parity check of version ${version} of ${model}`,
      );
      return newest;
    },
  };
}
export type DynamodbParityChecks = ReturnType<typeof dynamodbParityChecks>;
