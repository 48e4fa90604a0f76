import { CreateEventSourceMappingCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';
import { queue } from './queues.ts';
import { spyFunction } from './spy.ts';

const cloud = useCloud();

interface SqsEvent {
  readonly Records: readonly { readonly body: string }[];
}

const bodies = ({ Records }: SqsEvent): string[] => Records.map(({ body }) => body).sort();

async function send(QueueUrl: string, texts: readonly string[]): Promise<void> {
  const sqs = new SQSClient(clientConfig(cloud()));
  for (let from = 0; from < texts.length; from += 10) {
    const Entries = texts
      .slice(from, from + 10)
      .map((MessageBody, index) => ({ Id: String(index), MessageBody }));
    await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  }
}

async function mapped(
  name: string,
  settings: { BatchSize: number; MaximumBatchingWindowInSeconds: number },
) {
  const source = await queue(cloud(), name);
  const spy = await spyFunction<SqsEvent>(cloud(), name);
  await new LambdaClient(clientConfig(cloud())).send(
    new CreateEventSourceMappingCommand({
      FunctionName: name,
      EventSourceArn: source.arn,
      ...settings,
    }),
  );
  return { source, spy };
}

gapTest('messages that arrive within the window are one batch', async () => {
  const { source, spy } = await mapped('window', {
    BatchSize: 100,
    MaximumBatchingWindowInSeconds: 3,
  });
  try {
    await send(source.url, ['a', 'b']);
    // Longer than the poller of the bare emulator takes to fetch the first two.
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await send(source.url, ['c']);
    const [first] = await eventually(() => (spy.events.length > 0 ? spy.events : undefined));
    expect(first && bodies(first)).toEqual(['a', 'b', 'c']);
  } finally {
    spy.stop();
  }
});

gapTest('a batch of a window holds more than ten messages', async () => {
  const { source, spy } = await mapped('large', {
    BatchSize: 25,
    MaximumBatchingWindowInSeconds: 300,
  });
  try {
    const texts = Array.from({ length: 25 }, (_, index) => String(100 + index));
    await send(source.url, texts);
    // Full, so nobody waits for the window.
    const [first] = await eventually(() => (spy.events.length > 0 ? spy.events : undefined));
    expect(first && bodies(first)).toEqual(texts);
  } finally {
    spy.stop();
  }
});
