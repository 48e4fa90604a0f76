import type { Holdout, MetricName } from '../../core/model/evaluation-section.ts';
import type { Guess } from '../../core/model/infer-definition.ts';
import type { Task } from '../../core/model/task.ts';
import { columns, styled } from '../terminal.ts';
import type { Lifted } from './lift-notebook.ts';
import type { Warning } from './warnings.ts';

export interface InitResult {
  readonly model: string;
  readonly folder: string;
  /** The file that can be dropped. */
  readonly data: string;
  readonly rows: number;
  readonly files: readonly string[];
  readonly task: Task;
  readonly metric: MetricName;
  readonly holdout: Holdout;
  readonly serving: string;
  readonly guesses: readonly Guess[];
  readonly warnings: readonly Warning[];
  readonly remarks: readonly string[];
  /** Statements of the notebook that are in no file. */
  readonly leftOut: Lifted['leftOut'];
}

/** What comes next, in order. */
const nextCommands = ({ model, data }: InitResult): string[] => {
  const file = /^[\w./-]+$/.test(data) ? data : `'${data}'`;
  const steps: [string, string][] = [
    [`npx slipway test ${model}`, 'its own tests, in seconds'],
    [`npx slipway train ${model} --sample 1000`, 'trains here, without a cloud'],
    ['npx slipway local', 'in another terminal: the cloud of this machine'],
    [`npx slipway deploy ${model}`, 'there, or with --env dev on AWS'],
    [`npx slipway drop ${model} ${file} --wait`, 'trains, checks and goes live'],
    [`npx slipway predict ${model} --example`, 'asks it, and shows how callers do'],
    [
      `npx slipway parity ${model} predictions.csv --data ${file}`,
      "held against the notebook's predictions",
    ],
  ];
  return columns([['', ''], ...steps]).slice(1);
};

const shortened = (code: string): string => {
  const [line = ''] = code.split('\n');
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
};

function describeLeftOut({ leftOut }: InitResult): string[] {
  if (leftOut.length === 0) return [];
  const rows = leftOut.map(({ cell, line, code, reason }) => [
    `  cell ${cell}, line ${line}`,
    shortened(code),
    reason,
  ]);
  return [
    '',
    `Left out of the notebook (${leftOut.length}; cells of code counted from the top):`,
    ...columns([['', '', ''], ...rows]).slice(1),
  ];
}

export function describeInit(result: InitResult): string[] {
  const { model, folder, rows, files, task, metric, guesses, warnings, remarks } = result;
  return [
    `${styled('bold', model)}: ${task}, measured by ${metric}, from ${rows.toLocaleString('en-US')} rows`,
    '',
    `Written to ${folder}: ${files.join(', ')}`,
    ...describeLeftOut(result),
    ...(remarks.length > 0 ? ['', ...remarks] : []),
    '',
    `Guessed, and marked in model.ts (${guesses.length}):`,
    ...guesses.map(({ path, why }) => `  ${path}: ${why}`),
    ...(warnings.length > 0
      ? [
          '',
          styled('yellow', 'Look at these first:'),
          ...warnings.map(({ message }) => `  ${message}`),
        ]
      : []),
    '',
    'Next:',
    ...nextCommands(result).map((line) => `  ${line}`),
  ];
}
