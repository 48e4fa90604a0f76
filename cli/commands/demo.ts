import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { plainCommand } from '../command.ts';
import { describeError, exitCodes } from '../command-error.ts';
import { runDemo, setTheScene } from '../demo/demo.ts';
import { reportLines } from '../demo/report.ts';
import { processTerminal } from '../terminal.ts';
import { untilStopped } from './local.ts';

interface Options {
  readonly json: boolean;
  readonly seed: number;
  readonly rows: number;
  readonly report: string;
  readonly picture: string;
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
    .option('--picture <file>', 'where the picture of the dashboard goes', 'demo-dashboard.png')
    .option('--keep', 'leave the laptop cloud running until Ctrl-C', false)
    .action(async ({ json, report: file, keep, ...options }: Options) => {
      const terminal = processTerminal(json);
      const { laptop, deploySeconds } = await setTheScene(terminal);
      const { port } = laptop.running;
      try {
        const report = await runDemo(terminal, { ...options, port, deploySeconds });
        const path = resolve(file);
        writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
        terminal.result(report, [...reportLines(report), '', `The report is in ${path}.`]);
        const failed = report.checks.some(({ passed }) => !passed);
        process.exitCode = failed ? exitCodes.failed : exitCodes.done;
      } catch (error) {
        if (!keep) throw error;
        terminal.note(`slipway: ${describeError(error)}`);
      } finally {
        if (keep) await untilStopped(terminal, port);
        await laptop.stop();
      }
    });
