import * as z from 'zod';

/** How a model is watched. The defaults suit a few thousand predictions a day. */
export const MonitoringSection = z
  .strictObject({
    /** Of what the endpoint answered, the last hours are compared with the training rows. */
    windowHours: z.int().min(1).max(168).default(24),
    /** Fewer rows, on either side, are not judged. */
    minimumRows: z.int().min(100).max(1_000_000).default(500),
    /**
     * A population stability index below this is no drift, however certain. Customary: 0.1 is a moderate
     * change, 0.25 a large one.
     */
    psiThreshold: z.number().min(0.005).max(10).default(0.2),
    /** By how much a feature's share of missing values may change, either way. */
    missingShareThreshold: z.number().min(0.001).max(1).default(0.05),
    /** Expected share of false ones among what is called drift (Benjamini and Hochberg's q). */
    significance: z.number().gt(0).max(0.2).default(0.01),
    /** How old a prediction is before its label can be expected; younger ones say nothing of the quality. */
    labelDelayHours: z.int().min(0).max(2_160).default(0),
    /** How long after a prediction its label may still come. */
    labelWindowDays: z.int().min(1).max(120).default(14),
    /** The metric of `evaluation` over labelled predictions, against the version's holdout. */
    quality: z
      .strictObject({
        /** Fewer labelled predictions are not judged. */
        minimumLabels: z.int().min(30).max(1_000_000).default(500),
        /** By how much the metric may be worse, in its own units: those of the label for rmse and mae. */
        maximumDrop: z.number().gt(0).default(0.05),
      })
      .prefault({}),
    /** Who is asked about the model; shown in notifications and on its page. */
    owner: z.string().min(1).max(100).optional(),
    /** Hears news and pages. */
    email: z.email({ error: 'an e-mail address, as in churn-team@example.com' }).optional(),
    /**
     * Name of an SSM SecureString parameter that holds the URL of a Slack webhook. The URL is a secret, and
     * stays out of this file.
     */
    slackWebhookParameter: z
      .string()
      .regex(/^(\/[A-Za-z0-9_.-]+)+$/, {
        error:
          "the name of an SSM SecureString parameter that holds the webhook's URL, as in /slack/churn-team; never the URL itself",
      })
      .optional(),
    /** One answer in twenty may take longer than this. */
    latencyP95Ms: z.int().min(1).max(25_000).default(1_000),
    /** Silence for so long, after somebody asked, is told. */
    expectTrafficEveryHours: z.int().min(1).max(160).optional(),
  })
  .superRefine(({ labelDelayHours, labelWindowDays, windowHours }, context) => {
    const needed = labelDelayHours + windowHours;
    if (labelWindowDays * 24 >= needed) return;
    context.addIssue({
      code: 'custom',
      path: ['labelWindowDays'],
      message: `must be at least ${Math.ceil(needed / 24)}: predictions that labelDelayHours and windowHours look back on would no longer be joined with their labels (received ${labelWindowDays})`,
    });
  });
export type MonitoringSection = z.infer<typeof MonitoringSection>;
