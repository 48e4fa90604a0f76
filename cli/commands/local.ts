import type { Command } from 'commander';
import { baseUrlOf } from '../api-client.ts';
import { plainCommand } from '../command.ts';
import { openDeployment } from '../deployment.ts';
import { startLaptop } from '../laptop.ts';
import { processTerminal, styled, type Terminal } from '../terminal.ts';

/** The model that comes with Slipway, to try it with. */
const exampleModel = 'flight-delay';

/** A person's own model, where there is one, is the one that hints are about. */
export const modelOfHints = (models: readonly string[]): string =>
  models.find((model) => model !== exampleModel) ?? models[0] ?? '<model>';

/** What one can do with a laptop cloud that was just started. */
async function addressLines(port: number): Promise<string[]> {
  const deployment = await openDeployment({ env: 'local', cloud: String(port) });
  const model = modelOfHints(deployment.models);
  return [
    '',
    styled('bold', 'The laptop cloud is ready.'),
    `  AWS endpoint  ${deployment.laptop?.endpoint}`,
    `  API           ${baseUrlOf(deployment)}`,
    `  dashboard     ${deployment.laptop?.dashboardUrl}`,
    `  data bucket   s3://${deployment.data.bucket}`,
    `  models        ${deployment.models.join(', ')}`,
    `  log           ${deployment.laptop?.logFile}`,
    '',
    'In another terminal:',
    `  $ npx slipway drop ${model} <files…> --wait`,
    `  $ npx slipway status ${model}`,
    `  $ npx slipway predict ${model} --example`,
    '',
    'Ctrl-C stops it and leaves nothing behind.',
  ];
}

/** Says what one can do with a laptop cloud. Never resolves: a signal ends the process. */
export async function untilStopped({ note }: Pick<Terminal, 'note'>, port: number): Promise<never> {
  for (const line of await addressLines(port)) note(line);
  return new Promise(() => {
    // A pending promise alone would not keep the process.
    setInterval(() => undefined, 2 ** 30);
  });
}

export const localCommand = (): Command =>
  plainCommand({
    usage: 'local',
    description: 'run the whole platform on this machine, until Ctrl-C',
    examples: ['slipway local', 'slipway local --json'],
  }).action(async ({ json }: { json: boolean }) => {
    const terminal = processTerminal(json);
    const { endpoint, port, pid, logFile, dashboardUrl } = (await startLaptop(terminal)).running;
    if (json) terminal.result({ endpoint, port, pid, logFile, dashboardUrl }, []);
    await untilStopped(terminal, port);
  });
