import { slackWebhook } from '../../adapters/slack-webhook.ts';
import { ssmSecret } from '../../adapters/ssm-secret.ts';
import { slackMessage } from '../../core/monitoring/slack-message.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  NotifySlackEnvironment,
  NotifySlackEvent,
  NotifySlackResult,
} from './notify-slack.contract.ts';

const environment = parseEnvironment(NotifySlackEnvironment, process.env);
const webhook = slackWebhook({ url: ssmSecret({ parameter: environment.WEBHOOK_PARAMETER }) });

export const handler = stepHandler(
  { event: NotifySlackEvent, result: NotifySlackResult },
  async ({ Records }) => {
    for (const { Sns } of Records) {
      const severity = Sns.MessageAttributes?.['severity']?.Value;
      const message = { subject: Sns.Subject, text: Sns.Message, severity };
      await webhook.post(slackMessage(message));
    }
    return { posted: Records.length };
  },
);
