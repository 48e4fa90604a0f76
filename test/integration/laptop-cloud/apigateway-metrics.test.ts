import { expect } from 'vitest';
import { createFunction } from './functions.ts';
import { gapTest, useCloud } from './harness.ts';
import { statistic } from './metrics.ts';
import { createApi, post } from './rest-api.ts';

const cloud = useCloud();

gapTest('counts an API’s requests, its failures apart, and measures them', async () => {
  const code =
    'exports.handler = async (event) => ({ statusCode: Number(event.body), body: "{}" });';
  const method = { path: 'a', function: await createFunction(cloud(), 'answers', code) };
  const { url } = await createApi(cloud(), { methods: [method] });
  for (const body of ['200', '200', '404', '500']) await post({ url: `${url}/a`, body });
  const of = (name: string, stat?: string) =>
    statistic(cloud(), ['AWS/ApiGateway', name], { ApiName: 'test', Stage: 'prod' }, stat);
  expect(await of('Count')).toBe(4);
  expect(await of('4XXError')).toBe(1);
  expect(await of('5XXError')).toBe(1);
  expect(await of('Latency', 'SampleCount')).toBe(4);
  expect(await of('Latency', 'Minimum')).toBeGreaterThan(0);
  expect(await statistic(cloud(), ['AWS/ApiGateway', 'Count'], { ApiName: 'test' })).toBe(4);
});
