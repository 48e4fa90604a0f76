import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { plainCommand } from '../command.ts';
import { exitCodes } from '../command-error.ts';
import { runDemo } from '../demo/demo.ts';
import { reportLines } from '../demo/report.ts';
import { processTerminal } from '../terminal.ts';
import { addressLines, untilStopped } from './local.ts';

interface Options {
  readonly json: boolean;
  readonly seed: number;
  readonly rows: number;
  readonly report: string;
  readonly keep: boolean;
}

/** A parser of whole numbers from a lowest one on. */
const wholeNumber = (lowest: number, highest: number) => (text: string) => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw new InvalidArgumentError(`Give a whole number from ${lowest} to ${highest}.`);
};

export const demoCommand = (): Command =>
  plainCommand({
    usage: 'demo',
    description: 'real flights from a drop in S3 to predictions and labels, on this machine',
    examples: ['slipway demo', 'slipway demo --rows 2000 --seed 11 --keep'],
  })
    .option('--seed <number>', 'which flights of March arrive', wholeNumber(0, 2 ** 31 - 1), 7)
    .option('--rows <number>', 'how many of them', wholeNumber(1, 100_000), 10_000)
    .option('--report <file>', 'where the report goes as JSON', 'demo-report.json')
    .option('--keep', 'leave the laptop cloud running until Ctrl-C', false)
    .action(async ({ json, seed, rows, report: file, keep }: Options) => {
      const terminal = processTerminal(json);
      const { report, port, stop } = await runDemo(terminal, { seed, rows });
      const path = resolve(file);
      writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
      terminal.result(report, [...reportLines(report), '', `The report is in ${path}.`]);
      const failed = report.checks.some(({ passed }) => !passed);
      process.exitCode = failed ? exitCodes.failed : exitCodes.done;
      if (keep) {
        for (const line of await addressLines(port)) terminal.note(line);
        await untilStopped();
      }
      await stop();
    });
