import * as z from 'zod';

export interface TopicMessage {
  readonly subject: string | null | undefined;
  readonly text: string;
  /** Of what the platform itself publishes; an alarm has none. */
  readonly severity?: string | undefined;
}

/** What CloudWatch tells a topic, as far as people need it. */
const AlarmNotification = z.object({
  AlarmName: z.string(),
  AlarmDescription: z.string().nullish(),
  NewStateValue: z.enum(['ALARM', 'OK', 'INSUFFICIENT_DATA']),
  NewStateReason: z.string(),
  StateChangeTime: z.string().optional(),
});

const signs = { ALARM: '🔴', OK: '🟢', INSUFFICIENT_DATA: '⚪' } as const;

/** Slack reads three characters as markup. */
const plain = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Slack takes 3,000 characters in a section. */
const sectionLimit = 2_900;
const shortened = (text: string): string =>
  text.length > sectionLimit ? `${text.slice(0, sectionLimit)}…` : text;

function alarmOf(text: string): z.infer<typeof AlarmNotification> | undefined {
  try {
    return AlarmNotification.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function titleAndBody({ subject, text, severity }: TopicMessage): [title: string, body: string] {
  const alarm = alarmOf(text);
  if (alarm) {
    const { AlarmName, AlarmDescription, NewStateReason, NewStateValue } = alarm;
    const lines = [AlarmDescription, NewStateReason].filter((line) => line);
    return [`${signs[NewStateValue]} ${NewStateValue}: ${AlarmName}`, lines.join('\n')];
  }
  const [first = '', ...more] = text.split('\n');
  return subject
    ? [`${severity === 'page' ? '🔴 ' : ''}${subject}`, text]
    : [first, more.join('\n')];
}

/**
 * The JSON that a Slack webhook takes for a message of a topic.
 * https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
export function slackMessage(message: TopicMessage): object {
  const [title, body] = titleAndBody(message);
  const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text } });
  return {
    // Of notifications on a phone, and for whoever listens to their screen.
    text: plain(title),
    blocks: [
      section(`*${plain(title)}*`),
      ...(body.trim() === '' ? [] : [section(plain(shortened(body)))]),
    ],
  };
}
