// Clients that were not written here, against every door: what `npm run conformance` prints as a table.
import {
  APIGatewayClient,
  GetUsagePlansCommand,
  UpdateUsagePlanCommand,
} from '@aws-sdk/client-api-gateway';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runSessions } from '../conformance/run-sessions.ts';
import { startTargets } from '../conformance/targets.ts';

let doors: Awaited<ReturnType<typeof startTargets>>;
beforeAll(async () => {
  doors = await startTargets();
});
afterAll(() => doors?.stop());

describe('tritonclient and the SDK of KServe', () => {
  it.each([0, 1, 2, 3])('find nothing wrong with door %i', async (index) => {
    const target = doors.targets[index];
    if (!target) throw new Error(`there is no door ${index}`);
    const checks = await runSessions(target);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(new Set(checks.map(({ client }) => client))).toEqual(
      new Set(['tritonclient', 'tritonclient.aio', 'KServe V1', 'KServe V2', 'httpx']),
    );
    expect(checks.length).toBeGreaterThan(55);
  });
});

describe('the OpenAPI document', () => {
  it('has examples that its own address answers, for every model', async () => {
    const { paths, servers } = await doors.laptop.json('openapi');
    const { token } = await doors.laptop.json('token');
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const [door] = doors.targets;
    for (const { name } of [door?.numbers, door?.columns].flatMap((model) => model ?? [])) {
      for (const path of [`/v1/models/${name}:predict`, `/v2/models/${name}/infer`]) {
        const { examples } = paths[path].post.requestBody.content['application/json'];
        const bodies = Object.values<{ value: object }>(examples);
        expect(bodies.length).toBeGreaterThan(0);
        for (const { value } of bodies) {
          const body = JSON.stringify(value);
          const reply = await fetch(`${servers[0].url}${path}`, { method: 'POST', headers, body });
          expect(reply.status, `${path} ${body} ${await reply.clone().text()}`).toBe(200);
        }
      }
    }
  });
});

describe('a caller who asks too often', () => {
  it('is told to slow down, in the form of every error', async () => {
    const client = new APIGatewayClient({});
    const { items: plans = [] } = await client.send(new GetUsagePlansCommand());
    // The environment's own limit is more than a test can ask. Nothing is given back while this one runs.
    const limits = { '/throttle/burstLimit': '1', '/throttle/rateLimit': '0.001' };
    const patchOperations = Object.entries(limits).map(
      ([path, value]) => ({ op: 'replace', path, value }) as const,
    );
    for (const { id: usagePlanId } of plans) {
      await client.send(new UpdateUsagePlanCommand({ usagePlanId, patchOperations }));
    }
    const [door] = doors.targets;
    const ask = () =>
      fetch(`${door?.url}/v2/models/${door?.numbers.name}/ready`, {
        headers: { authorization: `Bearer ${door?.token}` },
      });
    const replies = await Promise.all(Array.from({ length: 10 }, ask));
    const refused = replies.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThanOrEqual(9);
    for (const reply of refused) {
      expect(reply.status).toBe(429);
      expect(reply.headers.get('content-type')).toBe('application/json');
      expect(reply.headers.get('retry-after')).toBe('1');
      expect(await reply.json()).toEqual({ error: expect.stringContaining('too many requests') });
    }
  });
});
