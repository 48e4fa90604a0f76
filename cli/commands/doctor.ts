import type { Command } from 'commander';
import { readModels } from '../../config/models.ts';
import { type Common, deployedCommand } from '../command.ts';
import { exitCodes } from '../command-error.ts';
import { pointAt } from '../deployment.ts';
import { type Check, type Diagnosis, diagnose } from '../doctor.ts';
import { idlePriceRows } from '../idle-price.ts';
import { columns, processTerminal, styled, withProgress } from '../terminal.ts';

const marks = {
  ok: () => styled('green', 'ok'),
  warning: () => styled('yellow', 'warning'),
  problem: () => styled('red', 'problem'),
} as const;

const described = ({ name, status, says, fix }: Check): string[] => [
  `${marks[status]()}  ${name}: ${says}`,
  ...(fix === undefined ? [] : [`    → ${fix}`]),
];

const lines = (environment: string, { checks, price }: Diagnosis): string[] => [
  ...checks.flatMap(described),
  ...(price === undefined
    ? []
    : [
        '',
        `What '${environment}' costs while nobody uses it (list prices of us-east-1):`,
        ...columns(idlePriceRows(price)),
      ]),
];

export const doctorCommand = (): Command =>
  deployedCommand({
    usage: 'doctor',
    description: 'whether an environment can be deployed and run here, and what it costs at rest',
    examples: ['slipway doctor --env dev', 'slipway doctor --env prod --json'],
  }).action(async (options: Common) => {
    const { env: environment } = options;
    const laptop = pointAt(options);
    const terminal = processTerminal(options.json);
    const models = await readModels(process.env);
    const diagnosis = await withProgress(terminal, 'looking', () =>
      diagnose({ environment, models, laptop }, terminal),
    );
    terminal.result({ environment, ...diagnosis }, lines(environment, diagnosis));
    const sick = diagnosis.checks.some(({ status }) => status === 'problem');
    process.exitCode = sick ? exitCodes.failed : exitCodes.done;
  });
