import { setTimeout as sleep } from 'node:timers/promises';
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { CommandError } from '../command-error.ts';
import { seconds } from '../terminal.ts';
import { model, type Scene } from './scene.ts';

export const alarmName = (short: string): string => `slipway-local-${model}-${short}`;

const limitMs = 600_000;
const tellEveryMs = 15_000;

interface Wait<T> {
  /** What is waited for, as in "the alarm". */
  readonly what: string;
  /** The answer, or what there is meanwhile. */
  ask(): Promise<{ readonly found: T } | { readonly meanwhile: string }>;
}

/** Asks every second, and says what there is meanwhile. @throws CommandError after ten minutes. */
export async function waitFor<T>(scene: Scene, { what, ask }: Wait<T>): Promise<T> {
  const startedAt = performance.now();
  let toldAt = startedAt;
  for (;;) {
    const answer = await ask();
    if ('found' in answer) return answer.found;
    const now = performance.now();
    if (now - startedAt > limitMs) {
      throw new CommandError(
        `${what} did not come within ${limitMs / 60_000} minutes: ${answer.meanwhile}`,
      );
    }
    if (now - toldAt > tellEveryMs) {
      toldAt = now;
      scene.note(`  waiting for ${what}, ${seconds(now - startedAt)}: ${answer.meanwhile}`);
    }
    await sleep(1_000);
  }
}

/** Waits until CloudWatch puts an alarm of the model into ALARM; resolves to when it did. */
export function alarmRaised(scene: Scene, short: string, since: Date): Promise<Date> {
  const cloudwatch = new CloudWatchClient();
  const name = alarmName(short);
  return waitFor<Date>(scene, {
    what: `the alarm ${name}`,
    async ask() {
      const { MetricAlarms } = await cloudwatch.send(
        new DescribeAlarmsCommand({ AlarmNames: [name] }),
      );
      const [alarm] = MetricAlarms ?? [];
      const at = alarm?.StateTransitionedTimestamp ?? alarm?.StateUpdatedTimestamp;
      if (alarm?.StateValue === 'ALARM' && at && at >= since) return { found: at };
      return { meanwhile: `it is ${alarm?.StateValue ?? 'not there'}` };
    },
  });
}
