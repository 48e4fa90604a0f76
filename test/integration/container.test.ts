// A version that a container answers, from its deployment to its end: the real handlers, the laptop cloud's
// endpoints. Only the training is left out: its archive is a few lines of Python.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { ListEndpointsCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloudwatchLogGroups } from '../../adapters/cloudwatch-log-groups.ts';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { removeEndpoints } from '../../adapters/model-endpoints.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { type SagemakerEndpoints, sagemakerEndpoints } from '../../adapters/sagemaker-endpoints.ts';
import { sha256 } from '../../core/canonical-json.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { Signature } from '../../core/inference/signature.ts';
import { deployCandidate } from '../../lambdas/inference/deploy-candidate.ts';
import { measureCandidate } from '../../lambdas/inference/measure-candidate.ts';
import { modelVersion } from '../builders/model-version.ts';
import { Mortality } from '../fakes/mortality.ts';
import { modelArchive, pythonImage, servingImage } from './laptop-cloud/endpoints.ts';
import { clientConfig, eventually, useCloud } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const model = 'parcel-words';
const cloud = useCloud();
let data: S3Objects;
let artifacts: S3Objects;
let endpoints: SagemakerEndpoints;
let folder: string;
let python: string;
let answer: (
  event: APIGatewayProxyEvent,
  context: Context,
) => Promise<{ statusCode: number; headers?: object; body: string }>;
const table = 'containers';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'containers-'));
  python = pythonImage(join(folder, 'python'));
  Object.assign(process.env, cloud().env, {
    MODEL_NAME: model,
    REGISTRY_TABLE: table,
    ARTIFACTS_BUCKET: 'container-artifacts',
    PREDICTION_STREAM: 'container-predictions',
  });
  const s3 = new S3Client();
  for (const Bucket of ['container-data', 'container-artifacts']) {
    await s3.send(new CreateBucketCommand({ Bucket }));
  }
  data = s3Objects({ bucket: 'container-data' });
  artifacts = s3Objects({ bucket: 'container-artifacts' });
  endpoints = sagemakerEndpoints();
  await createRegistryTable(cloud(), table);
  await new FirehoseClient().send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: 'container-predictions',
      DeliveryStreamType: 'DirectPut',
      ExtendedS3DestinationConfiguration: {
        BucketARN: 'arn:aws:s3:::container-data',
        RoleARN: `arn:aws:iam::${cloud().accountId}:role/firehose`,
        Prefix: `predictions/${model}/`,
        BufferingHints: { IntervalInSeconds: 1, SizeInMBs: 1 },
      },
    }),
  );
  const { handler } = await import('../../lambdas/inference/predict.handler.ts');
  answer = handler as typeof answer;
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Counts words and adds to them; one text makes it raise, others make it slow or its answer wrong. */
const counting = (added: number): string => `
import json, time
def model_fn(model_dir):
    return ${added}
def input_fn(body, content_type):
    return json.loads(body)['instances']
def words(row):
    if row['text'] == 'raise':
        return row['no such column']
    if row['text'] == 'sleep':
        time.sleep(3)
    return len((row['text'] or '').split())
def predict_fn(rows, model):
    return [{'prediction': words(row) + model, 'first': (row['text'] or ' ').split(' ')[0]} for row in rows]
def output_fn(rows, accept):
    if any(row['first'] == 'forget' for row in rows):
        rows = rows[1:]
    return json.dumps({'predictions': rows})
`;

/** An image of one's own that speaks the Open Inference Protocol: the number of letters. */
const speaksV2 = `
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        [tensor] = request['inputs']
        assert tensor['datatype'] == 'BYTES' and tensor['shape'] == [len(tensor['data']), 1]
        data = [float(len(text)) for text in tensor['data']]
        output = {'name': 'prediction', 'datatype': 'FP32', 'shape': [len(data)], 'data': data}
        body = json.dumps({'model_name': 'letters', 'outputs': [output]}).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()
        self.wfile.write(body)
ThreadingHTTPServer(('127.0.0.1', int(os.environ['SAGEMAKER_BIND_TO_PORT'])), Handler).serve_forever()
`;

const text = { name: 'text', type: 'string', nullable: true, sensitive: false } as const;
const spec = (name: string) => ({
  model: name,
  specHash: sha256('spec'),
  input: 'columns',
  columns: [{ name: 'text', type: 'string' }],
  features: [],
});
const signature = (name: string, protocol: 'v1' | 'v2') => ({
  model: name,
  task: 'regression',
  inputs: [text],
  passthrough: [],
  runtime: 'container',
  protocol,
});
const parity = (prediction: number) => ({
  input: { columns: { text: ['two words'] }, rows: 1 },
  output: { data: [prediction], shape: [1, 1] },
  tolerance: 1e-6,
});

const endpointName = (version: number) => `${model}-0123456${version}-abcdef`;
const jobPrefix = (version: number) => `jobs/${model}/${version}/output/model/`;
const place = (image: string, program = true) => ({
  model,
  artifacts,
  endpoints,
  logs: cloudwatchLogGroups(),
  logRetentionDays: 7,
  content: {
    image,
    environment: (program ? { SAGEMAKER_PROGRAM: 'inference.py' } : {}) as Record<string, string>,
    roleArn: 'arn:aws:iam::000000000000:role/serving',
    memoryMb: 1_024,
    maxConcurrency: 5,
    tags: { 'slipway:model': model },
  },
});
type Place = ReturnType<typeof place>;

/** As the pipeline asks: again until it is in service. */
const deployed = (at: Place, version: number) =>
  eventually(async () => {
    const modelArtifacts = `s3://${artifacts.bucket}/${jobPrefix(version)}`;
    const { outcome } = await deployCandidate(at, {
      endpointName: endpointName(version),
      modelArtifacts,
    });
    return outcome === 'deployed' ? outcome : undefined;
  });

/** Puts what a training left, and deploys it. */
async function candidate(version: number, inference: string): Promise<void> {
  const archive = modelArchive({ 'code/inference.py': inference });
  await artifacts.put(`${jobPrefix(version)}model.tar.gz`, archive);
  await deployed(place(python), version);
}

/** Registers a version as the pipeline does, its endpoint with it. */
async function register(version: number, prediction: number, protocol: 'v1' | 'v2' = 'v1') {
  const { record } = modelVersion(version, { weights: [0, 0], bias: 0 }, model);
  const files = {
    'signature.json': signature(model, protocol),
    'features.json': spec(model),
    'parity.json': parity(prediction),
  };
  const hashes = await Promise.all(
    Object.entries(files).map(async ([name, document]) => [
      name,
      await artifacts.putJson(`${record.artifactsPrefix}${name}`, document),
    ]),
  );
  const registry = dynamodbRegistry({ tableName: table });
  await registry.putRun({
    model,
    runId: record.runId,
    trigger: { kind: 'person', by: 'test' },
    status: 'RUNNING',
    reasons: [],
    startedAt: record.registeredAt,
  });
  expect(await registry.reserveVersion(model, record.trainingId)).toMatchObject({ version });
  const own = { artifacts: Object.fromEntries(hashes), endpointName: endpointName(version) };
  await registry.registerVersion({ ...record, ...own }, []);
}

let entries = 0;
async function enter(version: number, rolledBackFrom?: number): Promise<void> {
  entries += 1;
  await dynamodbLedger({ tableName: table }).append({
    model,
    state: 'live',
    version,
    reason: 'test',
    by: `test-${entries}`,
    at: new Date().toISOString(),
    ...(rolledBackFrom !== undefined && { rolledBackFrom }),
  });
}

async function predict(...texts: (string | null)[]) {
  const event = {
    httpMethod: 'POST',
    path: `/v1/models/${model}:predict`,
    headers: {},
    body: JSON.stringify({ instances: texts.map((value) => ({ text: value })) }),
    requestContext: { requestId: 'gateway-1' },
  };
  const reply = await answer(event as unknown as APIGatewayProxyEvent, {} as Context);
  return { status: reply.statusCode, headers: reply.headers, body: JSON.parse(reply.body) };
}
/** The first answer by this version: another one answers for up to two seconds. */
const answeredBy = (version: number, ...texts: string[]) =>
  eventually(async () => {
    const reply = await predict(...texts);
    return reply.body.model_version === String(version) ? reply : undefined;
  });

describe('a candidate', () => {
  it('is in service wherever its deployment is killed, with one archive and one log group', async () => {
    const archive = modelArchive({ 'code/inference.py': counting(1) });
    await artifacts.put(`${jobPrefix(1)}model.tar.gz`, archive);
    const mortality = new Mortality();
    const at = place(python);
    const mortal = {
      ...at,
      artifacts: {
        ...mortality.port(artifacts),
        bucket: artifacts.bucket,
        client: artifacts.client,
      },
      endpoints: mortality.port(endpoints),
      logs: mortality.port(at.logs),
    };
    const event = {
      endpointName: endpointName(1),
      modelArtifacts: `s3://${artifacts.bucket}/${jobPrefix(1)}`,
    };
    let calls = 0;
    for (; calls < 20; calls += 1) {
      if (await mortality.run(() => deployCandidate(mortal, event), calls)) break;
    }
    expect(calls).toBeGreaterThan(5);
    await deployed(at, 1);
    expect((await artifacts.list(`endpoints/${model}/`)).map(({ key }) => key)).toEqual([
      `endpoints/${model}/${endpointName(1)}/model.tar.gz`,
    ]);
  });

  it('is measured through its endpoint, with the price of its container', async () => {
    const keys = { instancesKey: 'i.json', featuresKey: 'f.json', signatureKey: 's.json' };
    await data.putJson(keys.instancesKey, { instances: [{ text: 'a b' }, { text: null }] });
    await data.putJson(keys.featuresKey, spec(model));
    await data.putJson(keys.signatureKey, signature(model, 'v1'));
    await artifacts.putJson(`${jobPrefix(1)}parity.json`, parity(3));
    const measured = await measureCandidate(
      {
        model,
        data,
        artifacts,
        createSession: createModelSession,
        memoryMb: 1_024,
        architecture: 'x64',
        containerMemoryMb: 2_048,
      },
      {
        ...keys,
        runId: 'run',
        modelArtifacts: `s3://${artifacts.bucket}/${jobPrefix(1)}`,
        endpointName: endpointName(1),
      },
    );
    const { bytes } = (await artifacts.find(`${jobPrefix(1)}model.tar.gz`)) ?? { bytes: 0 };
    expect(measured).toMatchObject({
      outcome: 'measured',
      measurement: { containerMemoryMb: 2_048, modelBytes: bytes, single: { requests: 200 } },
    });
  });

  it('fails with its reason where its program does not load, and is tried anew after that', async () => {
    const broken = modelArchive({ 'code/inference.py': 'raise RuntimeError("no weights")' });
    await artifacts.put(`${jobPrefix(9)}model.tar.gz`, broken);
    await expect(deployed(place(python), 9)).rejects.toThrow(
      /did not pass the ping health check.*\/aws\/sagemaker\/Endpoints\/parcel-words-01234569-abcdef/,
    );
    const logs = new CloudWatchLogsClient(clientConfig(cloud()));
    const logGroupName = `/aws/sagemaker/Endpoints/${endpointName(9)}`;
    const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
    expect(events.map(({ message }) => message)).toContain('RuntimeError: no weights');
    const mended = modelArchive({ 'code/inference.py': counting(9) });
    await artifacts.put(`${jobPrefix(9)}model.tar.gz`, mended);
    expect(await deployed(place(python), 9)).toBe('deployed');
  });
});

describe('a version that a container answers', () => {
  it('answers with what it says beside the number, and logs it', async () => {
    await register(1, 3);
    await enter(1);
    const reply = await answeredBy(1, 'one two three', '');
    expect(reply.body.predictions).toEqual([
      { prediction: 4, first: 'one' },
      { prediction: 1, first: '' },
    ]);
    const lines = await eventually(async () => {
      const [first] = await data.list(`predictions/${model}/`);
      return first && (await data.get(first.key)).toString().trimEnd().split('\n');
    });
    const records = lines.map((line) => PredictionRecord.parse(JSON.parse(line)));
    expect(records[0]).toMatchObject({
      predictionId: reply.body.prediction_ids[0],
      prediction: 4,
      details: { first: 'one' },
      inputs: { text: 'one two three' },
    });
  });

  it('checks a request before its container hears of it', async () => {
    const event = { texts: 'no such field' };
    const reply = await answer(
      {
        httpMethod: 'POST',
        path: `/v1/models/${model}:predict`,
        headers: {},
        body: JSON.stringify({ instances: [event] }),
        requestContext: { requestId: 'gateway-2' },
      } as unknown as APIGatewayProxyEvent,
      {} as Context,
    );
    expect(reply.statusCode).toBe(400);
    expect(reply.body).toContain('is not a known field; use text');
  });

  it('answers after its container was put to sleep', async () => {
    await fetch(`${cloud().endpoint}/_laptop/idle-endpoints`, { method: 'POST' });
    expect((await predict('still here')).body.predictions[0].prediction).toBe(3);
  });

  it('answers 502 where its program raises, whose traceback is in its log', async () => {
    const reply = await predict('fine', 'raise');
    expect(reply.status).toBe(502);
    expect(reply.body.error).toMatch(/gave no prediction.*gateway-1/);
    const logs = new CloudWatchLogsClient(clientConfig(cloud()));
    const logGroupName = `/aws/sagemaker/Endpoints/${endpointName(1)}`;
    await eventually(async () => {
      const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
      return events.find(({ message }) => message === "KeyError: 'no such column'");
    });
  });

  it('answers 502, and never fewer predictions than rows, where its program forgets one', async () => {
    expect((await predict('forget me', 'not')).status).toBe(502);
    expect((await predict('all', 'is', 'well')).body.predictions).toHaveLength(3);
  });

  it('is given up on after a while, and answers the next request', async () => {
    const request = {
      runtime: 'container',
      endpointName: endpointName(1),
      spec: FeatureSpec.parse(spec(model)),
      signature: Signature.parse(signature(model, 'v1')),
    } as const;
    const session = await createModelSession(request, 500);
    const rows = (value: string) =>
      ({ kind: 'columns', rows: 1, columns: { text: [value] } }) as const;
    await expect(session.run(rows('sleep'))).rejects.toMatchObject({
      name: 'ContainerTimeoutError',
      message: expect.stringContaining('did not answer within 0.5 s'),
    });
    expect([...(await session.run(rows('a b c'))).predictions]).toEqual([4]);
  });

  it('goes live and is rolled back by ledger entries alone', async () => {
    await candidate(2, counting(100));
    await register(2, 102);
    await enter(2);
    expect((await answeredBy(2, 'a b')).body.predictions[0].prediction).toBe(102);
    await enter(1, 2);
    expect((await answeredBy(1, 'a b')).body.predictions[0].prediction).toBe(3);
  });

  it('does not answer where its endpoint is not what its trainer gave: the one before goes on', async () => {
    await candidate(3, counting(7));
    await register(3, 2);
    await enter(3);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await predict('a b')).toMatchObject({ status: 200, body: { model_version: '1' } });
  });

  it('may run in an image of its own that speaks the Open Inference Protocol', async () => {
    await artifacts.put(`${jobPrefix(4)}model.tar.gz`, modelArchive({ 'weights.txt': '1' }));
    await deployed(place(servingImage(speaksV2, join(folder, 'own')), false), 4);
    await register(4, 'two words'.length, 'v2');
    await enter(4);
    expect((await answeredBy(4, 'letters')).body.predictions).toEqual([7]);
  });

  it('leaves nothing behind once its endpoint is removed, and says so where it is live', async () => {
    const kept = new Set([endpointName(1)]);
    expect((await removeEndpoints({ artifacts, endpoints }, model, kept)).sort()).toEqual(
      [2, 3, 4, 9].map(endpointName),
    );
    expect(await removeEndpoints({ artifacts, endpoints }, model, kept)).toEqual([]);
    expect((await artifacts.list(`endpoints/${model}/`)).map(({ key }) => key)).toEqual([
      `endpoints/${model}/${endpointName(1)}/model.tar.gz`,
    ]);
    const { Endpoints = [] } = await new SageMakerClient().send(new ListEndpointsCommand());
    expect(Endpoints.map(({ EndpointName }) => EndpointName)).toEqual([endpointName(1)]);
    expect((await predict('gone')).status).toBe(502);
  });
});
