import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  DescribeMapRunCommand,
  GetExecutionHistoryCommand,
  ListMapRunsCommand,
  SFNClient,
} from '@aws-sdk/client-sfn';
import { beforeAll, expect, it } from 'vitest';
import { output, run } from './functions.ts';
import { clientConfig, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();
const one = (state: object, more: object = {}) => ({
  StartAt: 'Each',
  States: { Each: state },
  ...more,
});
const processor = (state: object, mode?: 'DISTRIBUTED') => ({
  ...(mode ? { ProcessorConfig: { Mode: mode, ExecutionType: 'STANDARD' } } : {}),
  StartAt: 'Only',
  States: { Only: { End: true, ...state } },
});
const pass = { Type: 'Pass' };
const s3 = () => new S3Client(clientConfig(cloud()));

beforeAll(async () => {
  await s3().send(new CreateBucketCommand({ Bucket: 'rows' }));
  await s3().send(
    new PutObjectCommand({ Bucket: 'rows', Key: 'in/rows.csv', Body: 'id,n\na,1\nb,2\nc,3\n' }),
  );
});

const csv = (arguments_: string) => ({
  Resource: 'arn:aws:states:::s3:getObject',
  ReaderConfig: { InputType: 'CSV', CSVHeaderLocation: 'FIRST_ROW' },
  [arguments_]: { Bucket: 'rows', Key: 'in/rows.csv' },
});

it('runs a JSONata Map once per item', async () => {
  const execution = await run(
    cloud(),
    one(
      {
        Type: 'Map',
        Items: '{% $states.input.items %}',
        ItemSelector: {
          value: '{% $states.context.Map.Item.Value %}',
          at: '{% $states.context.Map.Item.Index %}',
        },
        ItemProcessor: processor({
          ...pass,
          Output: '{% $states.input.value * 2 + $states.input.at %}',
        }),
        End: true,
      },
      { QueryLanguage: 'JSONata' },
    ),
    { items: [10, 20, 30] },
  );
  expect(output(execution)).toEqual([20, 41, 62]);
});

gapTest('runs a distributed JSONata Map once per item of the input', async () => {
  const execution = await run(
    cloud(),
    one(
      {
        Type: 'Map',
        Items: '{% $states.input.items %}',
        ItemProcessor: processor({ ...pass, Output: '{% $states.input + 1 %}' }, 'DISTRIBUTED'),
        Output: { sum: '{% $sum($states.result) %}' },
        End: true,
      },
      { QueryLanguage: 'JSONata' },
    ),
    { items: [1, 2, 3] },
  );
  expect(output(execution)).toEqual({ sum: 9 });
});

gapTest('reads rows from S3 in batches and writes the results there', async () => {
  const execution = await run(
    cloud(),
    one({
      Type: 'Map',
      ItemReader: csv('Parameters'),
      ItemBatcher: { MaxItemsPerBatch: 2, BatchInput: { 'model.$': '$.model' } },
      ItemProcessor: processor(pass, 'DISTRIBUTED'),
      ResultWriter: {
        Resource: 'arn:aws:states:::s3:putObject',
        Parameters: { Bucket: 'rows', Prefix: 'out' },
      },
      End: true,
    }),
    { model: 'flights' },
  );
  const { MapRunArn, ResultWriterDetails } = output(execution);
  const read = async (Key: string) => {
    const object = await s3().send(new GetObjectCommand({ Bucket: 'rows', Key }));
    return JSON.parse((await object.Body?.transformToString()) ?? '');
  };
  const manifest = await read(ResultWriterDetails.Key);
  expect(manifest).toMatchObject({ DestinationBucket: 'rows', MapRunArn });
  const results = await read(manifest.ResultFiles.SUCCEEDED[0].Key);
  expect(results.map((result: { Output: string }) => JSON.parse(result.Output))).toEqual([
    {
      BatchInput: { model: 'flights' },
      Items: [
        { id: 'a', n: '1' },
        { id: 'b', n: '2' },
      ],
    },
    { BatchInput: { model: 'flights' }, Items: [{ id: 'c', n: '3' }] },
  ]);
  const sfn = new SFNClient(clientConfig(cloud()));
  const { mapRuns = [] } = await sfn.send(
    new ListMapRunsCommand({ executionArn: execution.executionArn }),
  );
  const described = await sfn.send(new DescribeMapRunCommand({ mapRunArn: mapRuns[0]?.mapRunArn }));
  expect(described).toMatchObject({
    status: 'SUCCEEDED',
    itemCounts: { total: 3, succeeded: 3 },
    executionCounts: { total: 2, succeeded: 2 },
  });
});

gapTest('tolerates as many failures as the input allows', async () => {
  const definition = one(
    {
      Type: 'Map',
      ItemReader: csv('Arguments'),
      ToleratedFailurePercentage: '{% $states.input.tolerated %}',
      ItemProcessor: {
        ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
        StartAt: 'Check',
        States: {
          Check: {
            Type: 'Choice',
            Choices: [{ Condition: "{% $states.input.id = 'b' %}", Next: 'Bad' }],
            Default: 'Good',
          },
          Bad: { Type: 'Fail', Error: 'BadRow' },
          Good: { Type: 'Pass', Output: '{% $states.input.id %}', End: true },
        },
      },
      End: true,
    },
    { QueryLanguage: 'JSONata' },
  );
  expect(output(await run(cloud(), definition, { tolerated: 34 }))).toEqual(['a', 'c']);
  expect(await run(cloud(), definition, { tolerated: 33 })).toMatchObject({
    status: 'FAILED',
    error: 'States.ExceedToleratedFailureThreshold',
  });
});

gapTest('records an inline Map’s iterations', async () => {
  const execution = await run(
    cloud(),
    one({
      Type: 'Map',
      ItemsPath: '$.items',
      MaxConcurrency: 1,
      ItemProcessor: processor(pass),
      End: true,
    }),
    { items: ['x', 'y'] },
  );
  const { events = [] } = await new SFNClient(clientConfig(cloud())).send(
    new GetExecutionHistoryCommand({ executionArn: execution.executionArn }),
  );
  const iteration = [
    'MapIterationStarted',
    'PassStateEntered',
    'PassStateExited',
    'MapIterationSucceeded',
  ];
  expect(events.map(({ type }) => type)).toEqual([
    ...['ExecutionStarted', 'MapStateEntered', 'MapStateStarted'],
    ...iteration,
    ...iteration,
    ...['MapStateSucceeded', 'MapStateExited', 'ExecutionSucceeded'],
  ]);
  expect(events[7]?.mapIterationStartedEventDetails).toEqual({ name: 'Each', index: 1 });
});

gapTest('refuses items that are no list', async () => {
  const execution = await run(
    cloud(),
    one({ Type: 'Map', ItemsPath: '$.items', ItemProcessor: processor(pass), End: true }),
    { items: { not: 'a list' } },
  );
  expect(execution).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
});
