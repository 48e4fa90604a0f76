import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { connectRetraining } from './connect-run-control.ts';
import {
  RequestRunEnvironment,
  RequestRunEvent,
  RequestRunResult,
} from './request-run.contract.ts';
import { takeRequest } from './request-run.ts';

const environment = parseEnvironment(RequestRunEnvironment, process.env);
const retraining = connectRetraining(environment);

export const handler = stepHandler({ event: RequestRunEvent, result: RequestRunResult }, (event) =>
  takeRequest(retraining, environment.QUIET_PERIOD_SECONDS, event),
);
