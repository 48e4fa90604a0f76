import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type OpenApiModel, openApiDocument } from '../../core/inference/openapi/openapi.ts';
import { platformVersion } from '../../core/version.ts';
import { baseUrlOf } from '../api-client.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { describeError, usageError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';
import { liveSignature } from '../live-signature.ts';

interface Options extends Common {
  readonly output?: string;
}

/** The models that answer, by what their live versions take; and the names of those that do not. */
async function answeringModels(deployment: Deployment) {
  const found: OpenApiModel[] = [];
  const silent: string[] = [];
  for (const model of deployment.models) {
    const { live, retired } = await deployment.ledger.head(model);
    if (live === undefined || retired) silent.push(model);
    else found.push(await liveSignature(deployment, model));
  }
  return { found, silent };
}

/** @throws CommandError where it cannot be written. */
function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw usageError(`${file} cannot be written: ${describeError(error)}`);
  }
}

export const openapiCommand = (): Command =>
  deployedCommand({
    usage: 'openapi',
    description:
      "the OpenAPI document of an environment's API, with the schemas of its live models",
    examples: ['slipway openapi', 'slipway openapi --env prod --output openapi.json'],
  })
    .option('--output <file>', 'where it is written; by default to standard output')
    .action((options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const { found, silent } = await answeringModels(deployment);
        for (const model of silent) {
          terminal.note(`${model} is left out: no version of it answers`);
        }
        const facts = {
          environment: deployment.environment,
          version: platformVersion,
          url: baseUrlOf(deployment),
          auth: deployment.parameter('api-auth') === 'iam' ? ('iam' as const) : ('jwt' as const),
          now: new Date(),
        };
        const document = openApiDocument(facts, found);
        const text = JSON.stringify(document, null, 2);
        const { output } = options;
        if (output === undefined) {
          terminal.result(document, [text]);
          return undefined;
        }
        write(output, `${text}\n`);
        const models = found.map(({ model }) => model);
        terminal.result({ output, models }, [
          `${output} has the routes of ${models.length === 0 ? 'no model' : models.join(', ')}.`,
        ]);
        return undefined;
      }),
    );
