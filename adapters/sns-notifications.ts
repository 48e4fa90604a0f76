import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';

export interface Notification {
  readonly subject: string;
  readonly text: string;
  readonly model: string;
  /** Where it is about a run. */
  readonly runId?: string;
  /** What it is about, to filter subscriptions by: 'run-live', 'run-failed', 'files-quarantined', … */
  readonly kind: string;
  /** news can wait for the morning, a page cannot. */
  readonly severity: 'news' | 'page';
}

const subjectLimit = 100;

/** People who want to hear of a model subscribe to its topics. Rejects with the SDK's errors. */
export function snsNotifications({
  newsTopicArn,
  pagesTopicArn,
  owner = '',
  client = new SNSClient(),
}: {
  readonly newsTopicArn: string;
  readonly pagesTopicArn: string;
  /** Said at the end of each text, where there is one. */
  readonly owner?: string;
  readonly client?: SNSClient;
}) {
  return {
    async publish({ subject, text, model, runId, kind, severity }: Notification): Promise<void> {
      const attribute = (value: string) => ({ DataType: 'String', StringValue: value });
      await client.send(
        new PublishCommand({
          TopicArn: severity === 'page' ? pagesTopicArn : newsTopicArn,
          // SNS takes one line of ASCII.
          Subject: subject.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, subjectLimit),
          Message: owner === '' ? text : `${text}\n\nOwner: ${owner}`,
          MessageAttributes: {
            model: attribute(model),
            ...(runId !== undefined && { runId: attribute(runId) }),
            kind: attribute(kind),
            severity: attribute(severity),
          },
        }),
      );
    },
  };
}
export type Notifications = ReturnType<typeof snsNotifications>;
