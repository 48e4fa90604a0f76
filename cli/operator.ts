import type { DynamodbLedger } from '../adapters/dynamodb-ledger.ts';
import type { DynamodbRegistry } from '../adapters/dynamodb-registry.ts';
import type { DynamodbVersionHealth } from '../adapters/dynamodb-version-health.ts';
import type { Operator } from '../core/delivery/operator-decisions.ts';
import { ModelVersionNotFoundError } from '../core/registry/errors.ts';
import type { ModelVersion } from '../core/registry/records.ts';
import { usageError } from './command-error.ts';
import { person } from './runs.ts';

/** What the commands that decide about versions work on. */
export interface DeliveryRecords {
  readonly ledger: DynamodbLedger;
  readonly registry: DynamodbRegistry;
  readonly health: DynamodbVersionHealth;
}

export const operator = (reason: string): Operator => ({
  by: person(),
  reason,
  at: new Date().toISOString(),
});

/** A version's number, as 3 or v3. @throws CommandError */
export function versionNumber(text: string): number {
  const number = /^v?([1-9]\d{0,8})$/.exec(text)?.[1];
  if (number !== undefined) return Number(number);
  throw usageError(`'${text}' is not a version; write its number, as in 3`);
}

/** @throws CommandError where the model has no such version. */
export async function findVersion(
  registry: Pick<DynamodbRegistry, 'getVersion'>,
  model: string,
  version: number,
): Promise<ModelVersion> {
  try {
    return await registry.getVersion(model, version);
  } catch (error) {
    if (error instanceof ModelVersionNotFoundError) throw usageError(error.message);
    throw error;
  }
}
