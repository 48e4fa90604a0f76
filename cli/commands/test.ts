import type { Command } from 'commander';
import { plainCommand } from '../command.ts';
import { modelFolderOf, testEnvironmentOf } from '../model-python.ts';
import { runTests, testsIn } from '../sample/run-tests.ts';
import { processTerminal, seconds } from '../terminal.ts';

export const testCommand = (): Command =>
  plainCommand({
    usage: 'test <model> [pytest...]',
    description:
      "run the model's own tests (models/<model>/tests) with pytest, here and without a cloud; what follows -- is pytest's",
    examples: ['slipway test churn', 'slipway test churn -- -k plan --verbose'],
  }).action(async (model: string, pytest: string[], { json }: { json: boolean }) => {
    const terminal = processTerminal(json);
    const folder = await modelFolderOf(model);
    // Said before minutes go into an environment.
    testsIn(folder);
    const environment = await testEnvironmentOf(folder);
    const result = await runTests(folder, { environment, pytest, json });
    const { passed, failed, skipped } = result;
    terminal.result(result, [
      `${model}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds(result.seconds * 1_000)}`,
    ]);
    process.exitCode = result.exitCode;
  });
