import { Signature } from '../core/inference/signature.ts';
import { parseDocument } from '../core/parse-document.ts';
import { CommandError } from './command-error.ts';
import type { Deployment } from './deployment.ts';

/**
 * Where the artifacts of the version that answers begin.
 * @throws CommandError where none does.
 */
export async function liveArtifacts(
  { ledger, registry }: Pick<Deployment, 'ledger' | 'registry'>,
  model: string,
): Promise<string> {
  const { live: version, retired } = await ledger.head(model);
  if (retired) {
    throw new CommandError(
      `${model} is retired; \`slipway live ${model} --history\` says why, \`slipway rollback ${model}\` brings it back`,
    );
  }
  if (version === undefined) {
    throw new CommandError(`no version of ${model} is live yet; train one with \`slipway drop\``);
  }
  return (await registry.getVersion(model, version)).artifactsPrefix;
}

/** What the version that answers takes. */
export async function liveSignature(deployment: Deployment, model: string): Promise<Signature> {
  const prefix = await liveArtifacts(deployment, model);
  const document = await deployment.artifacts.getJson(`${prefix}signature.json`);
  return parseDocument(Signature, document, 'signature.json');
}
