import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { CreateModelCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { beforeAll, describe, expect } from 'vitest';
import { EndpointBench, modelArchive, pythonImage, servingImage } from './endpoints.ts';
import { clientConfig, eventually, gapTest, isRunning, useCloud } from './harness.ts';
import { assumeNewRole } from './rest-api.ts';

const cloud = useCloud();
let bench: EndpointBench;
beforeAll(async () => {
  bench = new EndpointBench(cloud());
  await bench.s3.send(new CreateBucketCommand({ Bucket: 'serving' }));
});

/** Adds what lies beside it to the numbers of a request; raises on one that is none. */
const addition = `
import json, os
def model_fn(model_dir):
    with open(os.path.join(model_dir, 'added.txt')) as file:
        return int(file.read())
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    return [value + model for value in data]
def output_fn(prediction, accept):
    return json.dumps({'sums': prediction, 'pid': os.getpid()}), accept
`;
const program = { SAGEMAKER_PROGRAM: 'inference.py' };

async function createAddition(name: string): Promise<void> {
  const archive = modelArchive({ 'added.txt': '40', 'code/inference.py': addition });
  const modelDataUrl = await bench.put('serving', `${name}/model.tar.gz`, archive);
  await bench.create(name, { image: pythonImage(), environment: program, modelDataUrl });
}

/** An image of one's own: answers after as many seconds as the body says, and ends where it says so. */
const sleeper = `
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def do_POST(self):
        text = self.rfile.read(int(self.headers['Content-Length'])).decode()
        if text == 'exit':
            os._exit(1)
        time.sleep(float(text))
        self.send_response(200); self.end_headers(); self.wfile.write(b'slept')
ThreadingHTTPServer(('127.0.0.1', int(os.environ['SAGEMAKER_BIND_TO_PORT'])), Handler).serve_forever()
`;

describe('an endpoint of a framework image', () => {
  gapTest("answers by the four functions of the archive's inference.py", async () => {
    await createAddition('sums');
    expect((await bench.created('sums')).EndpointStatus).toBe('InService');
    expect(JSON.parse(await bench.invoke('sums', '[1, 2]'))).toMatchObject({ sums: [41, 42] });
  });

  gapTest(
    'answers a failure of the program with its traceback, and writes it to the log',
    async () => {
      await createAddition('raises');
      await bench.created('raises');
      await expect(bench.invoke('raises', '["one"]')).rejects.toMatchObject({
        name: 'ModelError',
        OriginalStatusCode: 500,
        OriginalMessage: expect.stringMatching(/inference\.py.*in predict_fn[\s\S]*TypeError/),
      });
      const logs = new CloudWatchLogsClient(clientConfig(cloud()));
      const found = await eventually(async () => {
        const { events = [] } = await logs.send(
          new FilterLogEventsCommand({ logGroupName: '/aws/sagemaker/Endpoints/raises' }),
        );
        return events.find(({ message }) => message?.startsWith('TypeError'));
      });
      expect(found.logStreamName).toMatch(/^AllTraffic\//);
    },
  );

  gapTest('fails with the reason when its container does not come up', async () => {
    const archive = modelArchive({ 'code/inference.py': 'raise RuntimeError("no model")' });
    const modelDataUrl = await bench.put('serving', 'broken/model.tar.gz', archive);
    await bench.create('broken', { image: pythonImage(), environment: program, modelDataUrl });
    expect(await bench.created('broken')).toMatchObject({
      EndpointStatus: 'Failed',
      FailureReason: expect.stringContaining('did not pass the ping health check'),
    });
    await expect(bench.invoke('broken', '[]')).rejects.toMatchObject({ name: 'ValidationError' });
  });

  gapTest('fails with the reason when there is no archive', async () => {
    const modelDataUrl = 's3://serving/absent/model.tar.gz';
    await bench.create('absent', { image: pythonImage(), environment: program, modelDataUrl });
    expect((await bench.created('absent')).FailureReason).toMatch(
      /download model data from URL s3/,
    );
  });
});

describe('an endpoint of one’s own image', () => {
  gapTest('runs its serve, and answers again after its process has ended', async () => {
    await bench.create('sleeps', { image: servingImage(sleeper) });
    await bench.created('sleeps');
    expect(await bench.invoke('sleeps', '0')).toBe('slept');
    await expect(bench.invoke('sleeps', 'exit')).rejects.toMatchObject({ name: 'ModelError' });
    expect(await bench.invoke('sleeps', '0')).toBe('slept');
  });

  gapTest('throttles what exceeds its concurrency', async () => {
    await bench.create('narrow', { image: servingImage(sleeper), maxConcurrency: 1 });
    await bench.created('narrow');
    const answers = await Promise.allSettled([
      bench.invoke('narrow', '2'),
      bench.invoke('narrow', '2'),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { name: 'ThrottlingException' },
    });
  });
});

describe('an endpoint', () => {
  gapTest('has no process while it is idle, and starts one for the next request', async () => {
    await createAddition('idles');
    await bench.created('idles');
    const { pid } = JSON.parse(await bench.invoke('idles', '[1]'));
    expect(isRunning(pid)).toBe(true);
    await fetch(`${cloud().endpoint}/_laptop/idle-endpoints`, { method: 'POST' });
    expect(isRunning(pid)).toBe(false);
    const again = JSON.parse(await bench.invoke('idles', '[1]'));
    expect(again.sums).toEqual([41]);
    expect(again.pid).not.toBe(pid);
  });

  gapTest('is gone once it is deleted, with its process', async () => {
    await createAddition('goes');
    await bench.created('goes');
    const { pid } = JSON.parse(await bench.invoke('goes', '[1]'));
    await bench.remove('goes');
    expect(isRunning(pid)).toBe(false);
    await expect(bench.describe('goes')).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('Could not find endpoint'),
    });
    await expect(bench.remove('goes')).rejects.toThrow('Could not find endpoint');
  });

  gapTest('is refused a second time under its name, and without its parts', async () => {
    await bench.create('twice', { image: servingImage(sleeper) });
    await expect(bench.create('twice', { image: servingImage(sleeper) })).rejects.toThrow(
      'Cannot create already existing model',
    );
    await expect(
      bench.sagemaker.send(
        new CreateModelCommand({
          ModelName: 'isolated',
          ExecutionRoleArn: 'arn:aws:iam::000000000000:role/serving',
          PrimaryContainer: { Image: '/nowhere' },
          EnableNetworkIsolation: true,
        }),
      ),
    ).rejects.toThrow('Network isolation is not supported');
  });

  gapTest('is invoked, and its model is given a role, only by those who may', async () => {
    await createAddition('guarded');
    await bench.created('guarded');
    const arn = `arn:aws:sagemaker:${cloud().region}:${cloud().accountId}`;
    const credentials = await assumeNewRole(cloud(), 'invoker', [
      { Effect: 'Allow', Action: 'sagemaker:InvokeEndpoint', Resource: `${arn}:endpoint/guarded` },
      { Effect: 'Allow', Action: 'sagemaker:CreateModel', Resource: '*' },
    ]);
    const config = { ...clientConfig(cloud()), credentials };
    const runtime = new SageMakerRuntimeClient(config);
    const invoke = (EndpointName: string) =>
      runtime.send(new InvokeEndpointCommand({ EndpointName, Body: '[2]' }));
    expect((await invoke('guarded')).Body?.transformToString()).toContain('42');
    await expect(invoke('idles')).rejects.toMatchObject({ name: 'AccessDeniedException' });
    const createModel = new CreateModelCommand({
      ModelName: 'unpassed',
      ExecutionRoleArn: 'arn:aws:iam::000000000000:role/serving',
      PrimaryContainer: { Image: '/image' },
    });
    await expect(new SageMakerClient(config).send(createModel)).rejects.toThrow('iam:PassRole');
  });
});
