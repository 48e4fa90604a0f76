// Serverless endpoints for the tests: images are folders made here, models a few lines of Python.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointCommand,
  DescribeEndpointCommand,
  type DescribeEndpointCommandOutput,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { Cloud } from '../../../local/cloud.ts';
import { clientConfig, eventually, temporaryFolder } from './harness.ts';

/** A framework's image: a folder with this machine's Python in its bin/, gone with the test unless it is given. */
export function pythonImage(folder = temporaryFolder()): string {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
    encoding: 'utf8',
  }).trim();
  symlinkSync(python, join(folder, 'bin', 'python3'));
  return folder;
}

/** An image of one's own: a folder whose bin/serve is the given Python; gone with the test unless it is given. */
export function servingImage(serve: string, folder = temporaryFolder()): string {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  const script = join(folder, 'bin', 'serve');
  writeFileSync(script, `#!/usr/bin/env python3\n${serve}`);
  chmodSync(script, 0o755);
  return folder;
}

/** model.tar.gz with the given files. */
export function modelArchive(files: Readonly<Record<string, string>>): Buffer {
  const folder = temporaryFolder();
  const content = join(folder, 'content');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(content, name)), { recursive: true });
    writeFileSync(join(content, name), text);
  }
  const archive = join(folder, 'model.tar.gz');
  execFileSync('tar', ['-czf', archive, '-C', content, '.']);
  return readFileSync(archive);
}

interface EndpointOptions {
  readonly image: string;
  readonly environment?: Record<string, string>;
  readonly modelDataUrl?: string;
  readonly maxConcurrency?: number;
}

/** The clients that tests of endpoints need. */
export class EndpointBench {
  readonly s3: S3Client;
  readonly sagemaker: SageMakerClient;
  readonly runtime: SageMakerRuntimeClient;

  constructor(cloud: Cloud) {
    this.s3 = new S3Client(clientConfig(cloud));
    this.sagemaker = new SageMakerClient(clientConfig(cloud));
    this.runtime = new SageMakerRuntimeClient({ ...clientConfig(cloud), maxAttempts: 1 });
  }

  async put(Bucket: string, Key: string, Body: Buffer): Promise<string> {
    await this.s3.send(new PutObjectCommand({ Bucket, Key, Body }));
    return `s3://${Bucket}/${Key}`;
  }

  /** Creates model, configuration and endpoint of one name. */
  async create(name: string, options: EndpointOptions): Promise<void> {
    const { image, environment, modelDataUrl, maxConcurrency = 5 } = options;
    await this.sagemaker.send(
      new CreateModelCommand({
        ModelName: name,
        ExecutionRoleArn: 'arn:aws:iam::000000000000:role/serving',
        PrimaryContainer: { Image: image, Environment: environment, ModelDataUrl: modelDataUrl },
      }),
    );
    await this.sagemaker.send(
      new CreateEndpointConfigCommand({
        EndpointConfigName: name,
        ProductionVariants: [
          {
            VariantName: 'AllTraffic',
            ModelName: name,
            ServerlessConfig: { MemorySizeInMB: 2_048, MaxConcurrency: maxConcurrency },
          },
        ],
      }),
    );
    await this.sagemaker.send(
      new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: name }),
    );
  }

  describe(name: string): Promise<DescribeEndpointCommandOutput> {
    return this.sagemaker.send(new DescribeEndpointCommand({ EndpointName: name }));
  }

  /** The description once the endpoint is created, or has failed. */
  created(name: string): Promise<DescribeEndpointCommandOutput> {
    return eventually(async () => {
      const found = await this.describe(name);
      return found.EndpointStatus === 'Creating' ? undefined : found;
    });
  }

  remove(name: string): Promise<unknown> {
    return this.sagemaker.send(new DeleteEndpointCommand({ EndpointName: name }));
  }

  async invoke(name: string, body: string): Promise<string> {
    const { Body } = await this.runtime.send(
      new InvokeEndpointCommand({
        EndpointName: name,
        Body: body,
        ContentType: 'application/json',
        Accept: 'application/json',
      }),
    );
    return Body?.transformToString() ?? '';
  }
}
