import { expect, test } from 'vitest';
import { runFuzz } from '../fuzz/run-fuzz.ts';
import { servedDoor } from '../fuzz/served-door.ts';

test('whatever is asked by whatever protocol is answered or refused in form, and never with a 5xx', async () => {
  const { models, send } = await servedDoor();
  const { statuses } = await runFuzz(models, send, { seed: 20_260_601, requests: 4_000 });
  // Not all of it is refused at the first look, and not all of it is right.
  expect(statuses.get(200)).toBeGreaterThan(400);
  expect(statuses.get(400)).toBeGreaterThan(1_000);
  for (const status of [404, 405, 415]) expect(statuses.get(status)).toBeGreaterThan(0);
});
