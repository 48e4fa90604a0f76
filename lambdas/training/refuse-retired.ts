import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';

/** Why no run of a model is to begin, and what to do, where the model is retired. */
export async function retirementOf(
  ledger: Pick<DynamodbLedger, 'head' | 'entries'>,
  model: string,
): Promise<string | undefined> {
  if (!(await ledger.head(model)).retired) return undefined;
  const entries = await ledger.entries(model);
  const retired = entries.findLast(({ state }) => state === 'retired');
  const told = retired && ` since ${retired.at} by ${retired.by} (${retired.reason})`;
  return `${model} is retired${told}; what was dropped stays in landing/${model}/. \`slipway rollback ${model}\` or \`slipway approve ${model} <version>\` brings it back, and \`slipway train ${model}\` then takes the drops in`;
}
