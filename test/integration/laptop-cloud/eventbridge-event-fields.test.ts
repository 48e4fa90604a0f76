import {
  EventBridgeClient,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
  TestEventPatternCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();

const dropped = {
  version: '0',
  id: '17793124-05d4-b198-2fde-7ededc63b103',
  'detail-type': 'Object Created',
  source: 'aws.s3',
  account: '000000000000',
  time: '2026-01-12T18:43:48Z',
  region: 'us-east-1',
  resources: ['arn:aws:s3:::data'],
  detail: {
    bucket: { name: 'data' },
    object: { key: 'landing/flight-delay/east/jan.csv', size: 5_000 },
    reason: 'PutObject',
    tags: ['a', 'b'],
    nothing: null,
    empty: '',
  },
};

const matches = async (detail: object) =>
  (
    await new EventBridgeClient(clientConfig(cloud())).send(
      new TestEventPatternCommand({
        Event: JSON.stringify(dropped),
        EventPattern: JSON.stringify({ source: ['aws.s3'], detail }),
      }),
    )
  ).Result;

// What the User Guide says of each operator, on an object that was dropped.
describe('event patterns select as the User Guide says', () => {
  const key = (...values: unknown[]) => ({ object: { key: values } });
  const size = (...values: unknown[]) => ({ object: { size: values } });
  it.each<[string, object, boolean]>([
    ['a prefix', key({ prefix: 'landing/flight-delay/' }), true],
    ['another prefix', key({ prefix: 'landing/flight-delays/' }), false],
    ['a prefix, any case', key({ prefix: { 'equals-ignore-case': 'LANDING/' } }), true],
    ['a suffix', key({ suffix: '.csv' }), true],
    ['one of two', key({ suffix: '.parquet' }, { suffix: '.csv' }), true],
    ['a wildcard', key({ wildcard: 'landing/*/east/*.csv' }), true],
    ['a wildcard that must reach the end', key({ wildcard: 'landing/*/east' }), false],
    ['anything but a value', key({ 'anything-but': ['x'] }), true],
    ['anything but this value', { reason: [{ 'anything-but': 'PutObject' }] }, false],
    ['anything but a prefix', key({ 'anything-but': { prefix: 'landing/' } }), false],
    ['anything but suffixes', key({ 'anything-but': { suffix: ['.json', '.txt'] } }), true],
    ['anything but a wildcard', key({ 'anything-but': { wildcard: '*/quarantine/*' } }), true],
    ['equal in any case', { reason: [{ 'equals-ignore-case': 'putobject' }] }, true],
    ['a number in a range', size({ numeric: ['>', 0, '<=', 5000] }), true],
    ['a number outside', size({ numeric: ['>', 5000] }), false],
    ['a number, however written', size(5e3), true],
    ['a number is no string', size('5000'), false],
    ['a field that exists', { object: { key: [{ exists: true }] } }, true],
    ['a field that does not', { object: { etag: [{ exists: false }] } }, true],
    ['a missing field', { object: { etag: [{ exists: true }] } }, false],
    ['null', { nothing: [null] }, true],
    ['null is not empty', { nothing: [''] }, false],
    ['an empty string', { empty: [''] }, true],
    ['one element of a list', { tags: ['b'] }, true],
    ['no element of a list', { tags: ['c'] }, false],
    ['either of two fields', { $or: [{ reason: ['CopyObject'] }, key({ suffix: '.csv' })] }, true],
    ['both of two fields', { reason: ['CopyObject'], ...key({ suffix: '.csv' }) }, false],
  ])('%s', async (_, detail, expected) => {
    expect(await matches(detail)).toBe(expected);
  });
});

describe('a target’s input', () => {
  async function delivered(name: string, target: object, entry: object = {}) {
    const events = new EventBridgeClient(clientConfig(cloud()));
    const sqs = new SQSClient(clientConfig(cloud()));
    const arn = `arn:aws:sqs:us-east-1:000000000000:${name}`;
    const Policy = JSON.stringify({
      Statement: [
        {
          Effect: 'Allow',
          Action: 'sqs:SendMessage',
          Resource: arn,
          Principal: { Service: 'events.amazonaws.com' },
        },
      ],
    });
    const { QueueUrl } = await sqs.send(
      new CreateQueueCommand({ QueueName: name, Attributes: { Policy } }),
    );
    await events.send(
      new PutRuleCommand({ Name: name, EventPattern: JSON.stringify({ source: [name] }) }),
    );
    await events.send(
      new PutTargetsCommand({ Rule: name, Targets: [{ Id: 'q', Arn: arn, ...target }] }),
    );
    await events.send(
      new PutEventsCommand({
        Entries: [
          {
            Source: name,
            DetailType: 'Something Happened',
            Detail: JSON.stringify({
              runs: [{ id: 'r-1' }],
              n: 2,
              yes: true,
              object: { key: 'a' },
            }),
            ...entry,
          },
        ],
      }),
    );
    return eventually(async () => {
      const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      return Messages?.[0]?.Body;
    });
  }

  it('is transformed with paths and the reserved variables', async () => {
    const body = await delivered('transformed', {
      InputTransformer: {
        InputPathsMap: {
          kind: '$.detail-type',
          key: '$.detail.object.key',
          n: '$.detail.n',
          all: '$.detail.object',
        },
        InputTemplate:
          '{"kind": <kind>, "text": "key <key> of <n>", "n": <n>, "all": <all>, "rule": <aws.events.rule-name>}',
      },
    });
    expect(JSON.parse(body)).toEqual({
      kind: 'Something Happened',
      text: 'key a of 2',
      n: 2,
      all: { key: 'a' },
      rule: 'transformed',
    });
  });

  gapTest('is found in lists', async () => {
    expect(JSON.parse(await delivered('list-path', { InputPath: '$.detail.runs[0]' }))).toEqual({
      id: 'r-1',
    });
    const transformed = await delivered('list-transformer', {
      InputTransformer: {
        InputPathsMap: { id: '$.detail.runs[0].id' },
        InputTemplate: '{"id": <id>}',
      },
    });
    expect(JSON.parse(transformed)).toEqual({ id: 'r-1' });
  });

  gapTest('has the time its sender gave it', async () => {
    const Time = new Date('2026-03-01T12:00:00Z');
    expect(JSON.parse(await delivered('timed', {}, { Time })).time).toBe('2026-03-01T12:00:00Z');
  });
});
