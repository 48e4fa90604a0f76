// `npm run conformance`: clients that were not written here, against both doors. Prints a table.
import { columns } from '../../cli/terminal.ts';
import { type Check, runSessions } from './run-sessions.ts';
import { startTargets } from './targets.ts';

const { targets, stop } = await startTargets();
let failed = 0;
try {
  const table = [['door', 'client', 'passed', 'failed']];
  for (const target of targets) {
    const checks = await runSessions(target);
    const failures = checks.filter(({ ok }) => !ok);
    failed += failures.length;
    const byClient: [string, Check[]][] = [...Map.groupBy(checks, ({ client }) => client)];
    for (const [client, of] of byClient) {
      const bad = of.filter(({ ok }) => !ok).length;
      table.push([target.door, client, String(of.length - bad), String(bad)]);
    }
    for (const { client, check, detail = '' } of failures) {
      process.stdout.write(`FAILED ${target.door}, ${client}: ${check}\n  ${detail}\n`);
    }
  }
  process.stdout.write(`${columns(table).join('\n')}\n`);
} finally {
  await stop();
}
process.exitCode = failed === 0 ? 0 : 1;
