import type { S3Objects } from './s3-objects.ts';
import type { SagemakerEndpoints } from './sagemaker-endpoints.ts';

/** Where the archives lie that a model's endpoints unpack whenever a container is started. */
export const endpointsPrefix = (model: string): string => `endpoints/${model}/`;

/** Key of the archive that an endpoint unpacks. */
export const endpointArchiveKey = (model: string, endpointName: string): string =>
  `${endpointsPrefix(model)}${endpointName}/model.tar.gz`;

export interface EndpointsPlace {
  readonly artifacts: Pick<S3Objects, 'list' | 'removePrefix'>;
  readonly endpoints: Pick<SagemakerEndpoints, 'remove'>;
}

/**
 * Deletes a model's endpoints but for those that are kept. What there is, is known from the archives: one is put
 * there before its endpoint is created and goes after it, so that nothing is forgotten wherever this is killed.
 * @returns names of those that were deleted; one that is just being created is left for the next time.
 */
export async function removeEndpoints(
  { artifacts, endpoints }: EndpointsPlace,
  model: string,
  kept: ReadonlySet<string>,
): Promise<string[]> {
  const prefix = endpointsPrefix(model);
  const keys = (await artifacts.list(prefix)).map(({ key }) => key.slice(prefix.length));
  const names = new Set(keys.flatMap((key) => key.split('/')[0] ?? []));
  const removed: string[] = [];
  for (const name of names) {
    if (kept.has(name) || !(await endpoints.remove(name))) continue;
    await artifacts.removePrefix(`${prefix}${name}/`);
    removed.push(name);
  }
  return removed;
}
