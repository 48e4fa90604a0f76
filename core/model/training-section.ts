import * as z from 'zod';
import { PythonHyperparameters } from './python-hyperparameters.ts';
import { XgboostHyperparameters } from './xgboost-hyperparameters.ts';

const x86Type = /^ml\.[cmrt]\d+(?!\d|g)[a-z]*(-[a-z0-9]+)?\./;
const gpuType = /^ml\.(g4dn|g5|g6e?|p4de?|p5(e|en)?)\./;

export type Device = 'cpu' | 'cuda';

/** Where XGBoost computes on an instance of this type, by XGBoost's words; on one GPU, also where there are several. */
export const deviceOf = (instanceType: string): Device =>
  gpuType.test(instanceType) ? 'cuda' : 'cpu';

/** What a training has whoever trains. */
const shared = {
  instanceType: z
    .string()
    .regex(/^ml\.[a-z0-9-]+\.[a-z0-9]+$/, {
      error: 'a SageMaker instance type, as in ml.m5.xlarge',
      abort: true,
    })
    // The trainer's wheels are for x86, and their CUDA build for these GPUs.
    .refine((type) => x86Type.test(type) || gpuType.test(type), {
      error:
        'there are no packages of the trainer for it; use an x86 CPU type of the families c, m, r, t, as in ml.m5.xlarge, or an NVIDIA GPU type of the families g4dn, g5, g6, g6e, p4d, p4de, p5, p5e, p5en, as in ml.g5.xlarge',
    })
    .default('ml.m5.xlarge'),
  /** What an hour of this instance type costs you; without it the list price of us-east-1 counts. */
  pricePerHourUsd: z.number().positive().max(1_000).optional(),
  volumeSizeInGb: z.int().min(1).max(16_384).default(30),
  spot: z.boolean().default(true),
  maxRuntimeSeconds: z.int().min(60).max(2_419_200).default(3_600),
  /** Waiting for spot capacity included; spot only. */
  maxWaitSeconds: z.int().min(60).max(2_419_200).default(7_200),
  /** An interrupted training repeats at most this much work. */
  checkpointIntervalSeconds: z.number().positive().max(3_600).default(60),
  seed: z.int().min(0).max(2_147_483_647).default(0),
};

const StockTraining = z
  .strictObject({
    trainer: z.literal('xgboost'),
    hyperparameters: XgboostHyperparameters.prefault({}),
    ...shared,
  })
  .superRefine(({ hyperparameters: { device }, instanceType }, context) => {
    const has = deviceOf(instanceType);
    if (device === undefined || device === has) return;
    context.addIssue({
      code: 'custom',
      path: ['hyperparameters', 'device'],
      message:
        has === 'cpu'
          ? `${instanceType} has no GPU; use one that has, as in ml.g5.xlarge, or remove the device`
          : `${instanceType} would be paid for its GPU and compute without it; remove the device, or use a CPU type, as in ml.m5.xlarge`,
    });
  });

/** models/<name>/train.py trains, with the packages of models/<name>/requirements.txt. */
const OwnTraining = z.strictObject({
  trainer: z.literal('python'),
  hyperparameters: PythonHyperparameters.prefault({}),
  ...shared,
});

export const TrainingSection = z
  .discriminatedUnion('trainer', [StockTraining, OwnTraining], {
    error: "the trainer is 'xgboost', or 'python' for your own train.py",
  })
  .refine((training) => !training.spot || training.maxWaitSeconds >= training.maxRuntimeSeconds, {
    path: ['maxWaitSeconds'],
    error: 'must be at least maxRuntimeSeconds, which it includes',
  });
export type TrainingSection = z.infer<typeof TrainingSection>;
