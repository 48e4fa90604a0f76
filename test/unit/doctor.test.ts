import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { afterEach, describe, expect, it } from 'vitest';
import {
  checkConcurrency,
  checkRegion,
  checkTaskQuota,
  checkTrainingQuotas,
} from '../../cli/doctor.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

let server: Server | undefined;
afterEach(() => new Promise((resolve) => server?.close(resolve)));

/** Where an AWS client finds a service that always says the same. */
async function service(status: number, reply: object) {
  const answering = createServer((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(reply));
  });
  server = answering;
  await new Promise<void>((resolve) => answering.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(answering.address() as AddressInfo).port}`,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  };
}

const churn = defineModel(aModelDefinition());
const onGpu = defineModel(
  aModelDefinition({
    name: 'gpu',
    training: { trainer: 'xgboost', instanceType: 'ml.g5.xlarge', spot: false },
  }),
);

describe("a young account's quotas", () => {
  it('of no spot instances are a problem, with what to ask for', async () => {
    const Quotas = [
      { QuotaName: 'ml.m5.xlarge for spot training job usage', Value: 0 },
      { QuotaName: 'ml.g5.xlarge for training job usage', Value: 2 },
    ];
    const client = new ServiceQuotasClient(await service(200, { Quotas }));
    expect(await checkTrainingQuotas([churn, churn, onGpu], client)).toEqual([
      {
        name: 'ml.m5.xlarge for spot training job usage',
        status: 'problem',
        says: expect.stringContaining('none is allowed'),
        fix: expect.stringContaining('"ml.m5.xlarge for spot training job usage"'),
      },
      { name: 'ml.g5.xlarge for training job usage', status: 'ok', says: '2 instances' },
    ]);
  });

  it('that may not be read are a warning, not a verdict', async () => {
    const refusal = { __type: 'AccessDeniedException', message: 'no' };
    const client = new ServiceQuotasClient(await service(400, refusal));
    expect(await checkTrainingQuotas([churn], client)).toEqual([
      expect.objectContaining({ status: 'warning', says: expect.stringContaining('could not') }),
    ]);
  });

  it.each([
    // 8 tasks of 2 vCPU at most; while two take the place of two, 8 vCPU.
    [6, 'problem', /^6 vCPU; a deployment needs 8$/],
    [10, 'warning', /^10 vCPU; all tasks together have 16$/],
    [16, 'ok', /^16 vCPU$/],
  ])('of %d vCPU for tasks are: %s', async (Value, status, says) => {
    const Quotas = [{ QuotaName: 'Fargate On-Demand vCPU resource count', Value }];
    const busy = defineModel(
      aModelDefinition({ serving: { target: 'ecs', vcpu: 2, memoryMb: 4_096 } }),
    );
    const client = new ServiceQuotasClient(await service(200, { Quotas }));
    expect(await checkTaskQuota([churn, busy], client)).toEqual([
      expect.objectContaining({ status, says: expect.stringMatching(says) }),
    ]);
  });

  it.each([
    [10, 'warning'],
    [1_000, 'ok'],
  ])('of %d functions at a time are: %s', async (ConcurrentExecutions, status) => {
    const client = new LambdaClient(await service(200, { AccountLimit: { ConcurrentExecutions } }));
    expect(await checkConcurrency(client)).toMatchObject({
      status,
      says: `${ConcurrentExecutions} executions at a time`,
    });
  });
});

describe('a region', () => {
  it('that nobody named is a warning, because the SDK may look elsewhere', () => {
    expect(checkRegion({}, 'eu-west-1')).toMatchObject({
      status: 'warning',
      fix: expect.stringContaining('AWS_REGION=eu-west-1'),
    });
    expect(checkRegion({ AWS_REGION: 'eu-north-1' }, 'eu-north-1').status).toBe('ok');
  });
});
