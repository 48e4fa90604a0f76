import type * as z from 'zod';
import { log } from '../../adapters/structured-log.ts';
import { RetrainingAlarm } from '../../core/model/retraining-section.ts';
import type { TakeAlarmEvent, TakeAlarmResult } from './take-alarm.contract.ts';

export interface AlarmReceivers {
  /** Model → name of its request-run function. */
  readonly functions: Readonly<Record<string, string>>;
  readonly alarmPrefix: string;
  /** Gives a function an event without waiting for what it does with it. */
  readonly hand: (functionName: string, event: Readonly<Record<string, unknown>>) => Promise<void>;
}

/**
 * Which model an alarm is about says the dimension of its metric, and not its name: the name of one
 * model may begin with another's.
 */
export async function takeAlarm(
  { functions, alarmPrefix, hand }: AlarmReceivers,
  { detail }: z.infer<typeof TakeAlarmEvent>,
): Promise<z.infer<typeof TakeAlarmResult>> {
  const { alarmName, configuration, state } = detail;
  const dimensions = configuration.metrics.map((metric) => metric.metricStat?.metric.dimensions);
  const model = dimensions.find((of) => of?.['Model'] !== undefined)?.['Model'];
  const requestRun = model === undefined ? undefined : functions[model];
  const alarm = RetrainingAlarm.safeParse(alarmName.slice(`${alarmPrefix}${model}-`.length));
  const named = alarm.success && alarmName === `${alarmPrefix}${model}-${alarm.data}`;
  if (requestRun === undefined || !named || state.value !== 'ALARM') {
    log('warn', 'alarm ignored', { alarmName, model, state: state.value });
    return { outcome: 'ignored' };
  }
  await hand(requestRun, {
    kind: 'alarm',
    alarm: alarm.data,
    since: new Date(state.timestamp).toISOString(),
  });
  return { outcome: 'handed_over', model: String(model) };
}
