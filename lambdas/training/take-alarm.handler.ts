import * as z from 'zod';
import { lambdaEvents } from '../../adapters/lambda-events.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { TakeAlarmEnvironment, TakeAlarmEvent, TakeAlarmResult } from './take-alarm.contract.ts';
import { takeAlarm } from './take-alarm.ts';

const environment = parseEnvironment(TakeAlarmEnvironment, process.env);
const receivers = {
  functions: parseDocument(
    z.record(z.string(), z.string()),
    JSON.parse(environment.REQUEST_RUN_FUNCTIONS),
    'REQUEST_RUN_FUNCTIONS',
  ),
  alarmPrefix: environment.ALARM_PREFIX,
  hand: lambdaEvents().hand,
};

export const handler = stepHandler({ event: TakeAlarmEvent, result: TakeAlarmResult }, (event) =>
  takeAlarm(receivers, event),
);
