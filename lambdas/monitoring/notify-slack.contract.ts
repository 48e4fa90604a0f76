import * as z from 'zod';

/** Passes what the topics of a model tell on to Slack. */
export const NotifySlackEnvironment = z.object({
  /** Name of the SecureString parameter that holds the webhook's URL. */
  WEBHOOK_PARAMETER: z.string(),
});

/** SNS. */
export const NotifySlackEvent = z.object({
  Records: z.array(
    z.object({
      Sns: z.object({
        Subject: z.string().nullish(),
        Message: z.string(),
        MessageAttributes: z
          .record(z.string(), z.object({ Value: z.string() }))
          .nullish()
          .catch(null),
      }),
    }),
  ),
});
export const NotifySlackResult = z.object({ posted: z.int() });
