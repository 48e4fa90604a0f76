// What is written in models/ against what is deployed.
import { relative } from 'node:path';
import { modelPython } from '../config/model-python.ts';
import { type ModelFolder, readModelFolders } from '../config/models.ts';
import { changedSources, type Sources, sourcesOf } from '../core/model/sources.ts';
import type { Deployment } from './deployment.ts';
import { repositoryRoot } from './laptop-file.ts';
import type { Terminal } from './terminal.ts';

/** Changes of a model that no run takes in before they are deployed. */
export interface Undeployed {
  /** Files that differ; none where models/ cannot be read, as the text says. */
  readonly files: readonly string[];
  readonly text: string;
}

/** undefined where all is deployed. @throws InvalidDocumentError where its own Python is not whole. */
export function undeployedIn(
  model: ModelFolder,
  deployed: Sources,
  environment: string,
): Undeployed | undefined {
  const { definition, folder } = model;
  const files = changedSources(deployed, sourcesOf(definition, modelPython(model)?.sources));
  if (files.length === 0) return undefined;
  const inside = relative(repositoryRoot, folder);
  const where = environment === 'local' ? '' : ` --env ${environment}`;
  return {
    files,
    text: `${inside.startsWith('..') ? folder : inside} differs from what is deployed (${files.join(', ')}); \`slipway deploy ${definition.name}${where}\` brings it there`,
  };
}

/** Says first what a run will not take in. A model that is not written here has nothing to differ. */
export async function warnOfUndeployed(
  { environment, model: deployedModel }: Pick<Deployment, 'environment' | 'model'>,
  name: string,
  { note }: Pick<Terminal, 'note'>,
): Promise<Undeployed | undefined> {
  const { sources } = deployedModel(name);
  if (sources === undefined) return undefined;
  const undeployed = await compare(name, sources, environment);
  if (undeployed) note(undeployed.text);
  return undeployed;
}

async function compare(
  name: string,
  sources: Sources,
  environment: string,
): Promise<Undeployed | undefined> {
  try {
    const folders = await readModelFolders(process.env);
    const model = folders.find(({ definition }) => definition.name === name);
    return model && undeployedIn(model, sources, environment);
  } catch (error) {
    // What is deployed runs all the same, whatever is half written here.
    const why = error instanceof Error ? error.message : String(error);
    return { files: [], text: `whether ${name} is deployed as it is written is not known: ${why}` };
  }
}
