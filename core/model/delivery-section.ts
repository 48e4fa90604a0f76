import * as z from 'zod';

export const DeliverySection = z.strictObject({
  /** A version that passes its gate · automatic: goes live · manual: waits for `slipway approve`. */
  approval: z.enum(['automatic', 'manual'], { error: "the approval is 'automatic' or 'manual'" }),
});
