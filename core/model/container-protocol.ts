import * as z from 'zod';

/** What is sent to a container: v1: `{"instances": [{column: value}]}` · v2: a tensor a column. */
export const ContainerProtocol = z.enum(['v1', 'v2'], {
  error: "a container's protocol is 'v1' (KServe) or 'v2' (Open Inference Protocol)",
});
export type ContainerProtocol = z.infer<typeof ContainerProtocol>;
