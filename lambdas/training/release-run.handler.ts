import { snsNotifications } from '../../adapters/sns-notifications.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { connectRetraining } from './connect-run-control.ts';
import {
  ReleaseRunEnvironment,
  ReleaseRunEvent,
  ReleaseRunResult,
} from './release-run.contract.ts';
import { releaseBrokenRun } from './release-run.ts';

const environment = parseEnvironment(ReleaseRunEnvironment, process.env);
const parts = {
  control: connectRetraining(environment).control,
  notifications: snsNotifications({
    newsTopicArn: environment.NEWS_TOPIC_ARN,
    pagesTopicArn: environment.PAGES_TOPIC_ARN,
    owner: environment.MODEL_OWNER,
  }),
};

export const handler = stepHandler({ event: ReleaseRunEvent, result: ReleaseRunResult }, (event) =>
  releaseBrokenRun(parts, event),
);
