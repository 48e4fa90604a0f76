import { z } from 'zod';

const HyperparameterValue = z.union([z.string().max(2500), z.number(), z.boolean()]);

/** Hyperparameter that the platform sets → where a model says it instead. */
const saidElsewhere: Readonly<Record<string, string>> = {
  trainer: 'training.trainer',
  task: 'evaluation.task',
  seed: 'training.seed',
  checkpoint_interval_seconds: 'training.checkpointIntervalSeconds',
};

/** SageMaker's limits: 100 hyperparameters, keys of 256 characters, values of 2,500. */
export const TrainingSection = z
  .strictObject({
    trainer: z.enum(['xgboost'], { error: "the trainer is 'xgboost'" }),
    hyperparameters: z
      .record(z.string().max(256), HyperparameterValue)
      .refine((values) => Object.keys(values).length <= 80, { error: 'at most 80 hyperparameters' })
      .superRefine((values, context) => {
        for (const name of Object.keys(values).filter((key) => Object.hasOwn(saidElsewhere, key))) {
          const message = `the platform sets it; remove it here and use ${saidElsewhere[name]}`;
          context.addIssue({ code: 'custom', path: [name], message });
        }
      })
      .default({}),
    instanceType: z
      .string()
      .regex(/^ml\.[a-z0-9-]+\.[a-z0-9]+$/, {
        error: 'a SageMaker instance type, as in ml.m5.xlarge',
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
