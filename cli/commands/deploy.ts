import type { Command } from 'commander';
import { readModelFolders } from '../../config/models.ts';
import { type Common, deployedCommand } from '../command.ts';
import { deploy } from '../deploy.ts';
import { pointAt } from '../deployment.ts';
import { modelFolderOf } from '../model-python.ts';
import { checkProgram } from '../sample/check-program.ts';
import { processTerminal, seconds } from '../terminal.ts';

/** What a person does next. */
const nextLines = (model: string, environment: string): string[] => {
  const where = environment === 'local' ? '' : ` --env ${environment}`;
  return [
    '',
    'Next:',
    `  $ npx slipway drop ${model} <files…> --wait${where}`,
    `  $ npx slipway predict ${model} --example${where}`,
  ];
};

export const deployCommand = (): Command =>
  deployedCommand({
    usage: 'deploy [model]',
    description:
      'bring what is written in models/ into an environment: the laptop cloud that runs, or AWS; with a model, only what it needs',
    examples: ['slipway deploy churn', 'slipway deploy --env dev'],
  }).action(async (model: string | undefined, options: Common) => {
    const terminal = processTerminal(options.json);
    // What is written wrong is told before anything is begun.
    const folders = await readModelFolders(process.env);
    const meant = model === undefined ? folders : [await modelFolderOf(model)];
    for (const folder of meant) checkProgram(folder);
    const laptop = pointAt(options);
    const { env: environment } = options;
    const deployed = await deploy({ environment, laptop, folders, model }, terminal);
    const names = folders.map(({ definition }) => definition.name);
    terminal.result({ ...deployed, models: model === undefined ? names : [model] }, [
      `${model ?? (names.join(', ') || 'no model')} is deployed in '${environment}' (${seconds(deployed.seconds * 1_000)})`,
      ...nextLines(model ?? names[0] ?? '<model>', environment),
    ]);
  });
