import * as z from 'zod';

/** The dashboard's custom widget: a model's newest report as HTML. */
export const ShowReportEnvironment = z.object({
  DATA_BUCKET: z.string(),
  /** The models of the environment, as a JSON array. */
  MODELS: z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text))),
});

/** As CloudWatch calls a custom widget: its parameters, and what it knows of the dashboard. */
export const ShowReportEvent = z.object({
  /** Asks for the widget's description instead. */
  describe: z.boolean().optional(),
  model: z.string().optional(),
  widgetContext: z
    .object({ theme: z.enum(['light', 'dark']).optional().catch(undefined) })
    .optional()
    .catch(undefined),
});

/** HTML, or Markdown where a description was asked for. */
export const ShowReportResult = z.string();
