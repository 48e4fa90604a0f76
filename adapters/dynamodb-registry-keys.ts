import type { LineageNode } from '../core/registry/records.ts';

/** Where the registry's records lie in the table. */
export const modelPk = (model: string) => `MODEL#${model}`;
export const runKey = (model: string, runId: string) => ({
  pk: modelPk(model),
  sk: `RUN#${runId}`,
});
export const versionKey = (model: string, version: number) => ({
  pk: modelPk(model),
  sk: `VERSION#${String(version).padStart(6, '0')}`,
});
export const trainingKey = (model: string, id: string) => ({
  pk: modelPk(model),
  sk: `TRAINING#${id}`,
});
export const nodePk = (model: string, { type, id }: LineageNode) => `NODE#${model}#${type}#${id}`;

/** SET #document.#a = :a, … for every attribute that has a value. */
export function nestedSet(changes: Readonly<Record<string, unknown>>) {
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
