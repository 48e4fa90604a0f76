import { z } from 'zod';
import { XgboostHyperparameters } from './xgboost-hyperparameters.ts';

export const TrainingSection = z
  .strictObject({
    trainer: z.enum(['xgboost'], { error: "the trainer is 'xgboost'" }),
    hyperparameters: XgboostHyperparameters.prefault({}),
    instanceType: z
      .string()
      .regex(/^ml\.[a-z0-9-]+\.[a-z0-9]+$/, {
        error: 'a SageMaker instance type, as in ml.m5.xlarge',
        abort: true,
      })
      // The trainer's wheels are for x86 and without CUDA.
      .regex(/^ml\.[cmrt]\d+(?!\d|g)[a-z]*(-[a-z0-9]+)?\./, {
        error:
          'training on a GPU, another accelerator or an ARM processor is not available yet; use an x86 CPU type of the families c, m, r, t, as in ml.m5.xlarge',
      })
      .default('ml.m5.xlarge'),
    volumeSizeInGb: z.int().min(1).max(16_384).default(30),
    spot: z.boolean().default(true),
    maxRuntimeSeconds: z.int().min(60).max(2_419_200).default(3_600),
    /** Waiting for spot capacity included; spot only. */
    maxWaitSeconds: z.int().min(60).max(2_419_200).default(7_200),
    /** An interrupted training repeats at most this much work. */
    checkpointIntervalSeconds: z.number().positive().max(3_600).default(60),
    seed: z.int().min(0).max(2_147_483_647).default(0),
  })
  .refine((training) => !training.spot || training.maxWaitSeconds >= training.maxRuntimeSeconds, {
    path: ['maxWaitSeconds'],
    error: 'must be at least maxRuntimeSeconds, which it includes',
  });
export type TrainingSection = z.infer<typeof TrainingSection>;

export const ServingSection = z.strictObject({
  target: z.enum(['lambda'], { error: "the serving target is 'lambda'" }),
  memoryMb: z.int().min(512).max(10_240).default(1_769),
});

export const DeliverySection = z.strictObject({
  /** automatic: a version that passes its gate goes live. */
  approval: z.enum(['automatic'], { error: "the approval is 'automatic'" }),
});
