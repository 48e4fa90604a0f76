// Training jobs for the tests: images are folders made here, trainers a few lines of Python.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateTrainingJobCommand,
  type CreateTrainingJobCommandInput,
  DescribeTrainingJobCommand,
  type DescribeTrainingJobCommandOutput,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import type { Cloud } from '../../../local/cloud.ts';
import { clientConfig, eventually, temporaryFolder } from './harness.ts';

const header = `#!/usr/bin/env python3
import json, os, signal, sys, time
base = os.environ['SAGEMAKER_BASE_DIR']
def write(path, text):
    path = os.path.join(base, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + '.tmp', 'w') as file:
        file.write(text)
    os.rename(path + '.tmp', path)
`;

/** A training image: a folder whose bin/train is the given Python. */
export function trainingImage(train: string): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'bin'));
  const script = join(folder, 'bin', 'train');
  writeFileSync(script, header + train);
  chmodSync(script, 0o755);
  return folder;
}

type Overrides = Partial<CreateTrainingJobCommandInput>;

/** One bucket and the clients that the tests of training jobs need. */
export class TrainingBench {
  readonly bucket = 'training';
  readonly s3: S3Client;
  readonly sagemaker: SageMakerClient;

  constructor(cloud: Cloud) {
    this.s3 = new S3Client(clientConfig(cloud));
    this.sagemaker = new SageMakerClient(clientConfig(cloud));
  }

  async open(): Promise<this> {
    await this.s3.send(new CreateBucketCommand({ Bucket: this.bucket }));
    return this;
  }

  request(name: string, image: string, overrides: Overrides = {}): CreateTrainingJobCommandInput {
    return {
      TrainingJobName: name,
      AlgorithmSpecification: { TrainingImage: image, TrainingInputMode: 'File' },
      RoleArn: 'arn:aws:iam::000000000000:role/training',
      OutputDataConfig: { S3OutputPath: `s3://${this.bucket}/out`, CompressionType: 'NONE' },
      ResourceConfig: { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 1 },
      StoppingCondition: { MaxRuntimeInSeconds: 600 },
      ...overrides,
    };
  }

  async start(name: string, train: string, overrides: Overrides = {}): Promise<string> {
    const input = this.request(name, trainingImage(train), overrides);
    const { TrainingJobArn } = await this.sagemaker.send(new CreateTrainingJobCommand(input));
    return TrainingJobArn ?? '';
  }

  describe(name: string): Promise<DescribeTrainingJobCommandOutput> {
    return this.sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName: name }));
  }

  /** The description once the job is in the given secondary status. */
  reached(name: string, secondary: string): Promise<DescribeTrainingJobCommandOutput> {
    return eventually(async () => {
      const job = await this.describe(name);
      if (job.SecondaryStatus === secondary) return job;
      if (job.SecondaryStatus === 'Failed') throw new Error(job.FailureReason);
      return undefined;
    });
  }

  /** The description once the job has ended, however. */
  ended(name: string): Promise<DescribeTrainingJobCommandOutput> {
    return eventually(async () => {
      const job = await this.describe(name);
      return ['Completed', 'Failed', 'Stopped'].includes(job.TrainingJobStatus ?? '')
        ? job
        : undefined;
    });
  }

  async put(key: string, body: string): Promise<void> {
    await this.s3.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: body }));
  }

  async get(key: string): Promise<Buffer> {
    const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async text(key: string): Promise<string> {
    return (await this.get(key)).toString('utf8');
  }

  async keys(prefix: string): Promise<string[]> {
    const listed = await this.s3.send(
      new ListObjectsV2Command({ Bucket: this.bucket, Prefix: prefix }),
    );
    return (listed.Contents ?? []).map((object) => object.Key ?? '');
  }
}

/** The secondary statuses a job went through, in order. */
export function statuses(job: DescribeTrainingJobCommandOutput): (string | undefined)[] {
  return (job.SecondaryStatusTransitions ?? []).map((transition) => transition.Status);
}
