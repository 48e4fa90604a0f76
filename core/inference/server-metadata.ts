import { platformVersion } from '../version.ts';

/** Body of `GET /v2`, whoever answers it: it depends on nothing but this code. */
export const serverMetadata = {
  name: 'slipway',
  version: platformVersion,
  extensions: ['binary_tensor_data'],
} as const;

/** Body of `GET /`, by which KServe's clients of V1 ask whether there is a server. */
export const aliveV1 = { status: 'alive' } as const;
