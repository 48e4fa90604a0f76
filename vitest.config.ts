import { DISABLE_ASSET_STAGING_CONTEXT } from 'aws-cdk-lib/cx-api';
import { defineConfig } from 'vitest/config';

const seconds = (n: number): number => n * 1000;

const project = (name: string, testTimeout: number, rest: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: seconds(180),
    ...rest,
  },
});

/** One project per folder of test/: what needs a laptop cloud waits longer, and shares the machine less. */
export default defineConfig({
  test: {
    globalSetup: 'test/temporary-folder.ts',
    projects: [
      project('unit', seconds(60)),
      // One process, so that an environment is synthesised once and not once per file. Templates are all
      // that is looked at: 46 copies of every layer would be 7 GB.
      project('infrastructure', seconds(180), {
        isolate: false,
        maxWorkers: 1,
        env: { CDK_CONTEXT_JSON: JSON.stringify({ [DISABLE_ASSET_STAGING_CONTEXT]: true }) },
      }),
      project('integration', seconds(180), { maxWorkers: 2 }),
      project('e2e', seconds(1_200), { fileParallelism: false, hookTimeout: seconds(600) }),
    ],
  },
});
