// `slipway doctor` and `slipway prune` as an operator runs them, against an account that is not in order.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
  UpdateStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackUpdateComplete,
} from '@aws-sdk/client-cloudformation';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { announceLaptop } from '../../cli/laptop-file.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { root, slipway } from '../e2e/command-line.ts';
import { clientConfig, useCloud } from './laptop-cloud/harness.ts';

const cloud = useCloud();
const folder = mkdtempSync(join(tmpdir(), 'slipway-account-'));
let cloudformation: CloudFormationClient;
let ssm: SSMClient;
let withdraw: () => void;

/** Runs a command against this cloud, with the models of a folder. */
function command(name: string, ...args: string[]) {
  process.env['SLIPWAY_MODELS'] = folder;
  return slipway(name, '--cloud', String(cloud().port), ...args);
}

function writeModel(name: string, changes: object = {}): void {
  mkdirSync(join(folder, name), { recursive: true });
  const definition = JSON.stringify(aModelDefinition({ name, ...changes }));
  writeFileSync(
    join(folder, name, 'model.ts'),
    `import { defineModel } from '${join(root, 'core', 'model', 'define-model.ts')}';\nexport default defineModel(${definition});\n`,
  );
}

/** A stack as a model's is, in what these commands look at. */
const modelStack = (model: string) => ({
  Resources: {
    Parameter: {
      Type: 'AWS::SSM::Parameter',
      Properties: {
        Type: 'String',
        Name: `/slipway/local/models/${model}/predict-function`,
        Value: model,
      },
    },
    Dead: { Type: 'AWS::SQS::Queue', Properties: { SqsManagedSseEnabled: true } },
  },
  Outputs: {
    Function: { Value: model, Export: { Name: `function-of-${model}` } },
  },
});

const apiStack = (models: readonly string[]) => ({
  Resources: Object.fromEntries(
    models.map((model) => [
      `Parameter${model}`,
      {
        Type: 'AWS::SSM::Parameter',
        Properties: {
          Type: 'String',
          Name: `/routes/${model}`,
          Value: { 'Fn::ImportValue': `function-of-${model}` },
        },
      },
    ]),
  ),
});

async function create(StackName: string, template: object): Promise<void> {
  const TemplateBody = JSON.stringify(template);
  await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody }));
  await waitUntilStackCreateComplete(
    { client: cloudformation, maxWaitTime: 60, minDelay: 1 },
    { StackName },
  );
}

const stackNames = async (): Promise<string[]> => {
  const { Stacks = [] } = await cloudformation.send(new DescribeStacksCommand({}));
  return Stacks.filter(({ StackStatus }) => StackStatus !== 'DELETE_COMPLETE')
    .map(({ StackName = '' }) => StackName)
    .sort();
};

const parameter = async (Name: string): Promise<string | undefined> =>
  (await ssm.send(new GetParameterCommand({ Name }))).Parameter?.Value;

beforeAll(() => {
  const { port, endpoint, env, logFile } = cloud();
  cloudformation = new CloudFormationClient(clientConfig(cloud()));
  ssm = new SSMClient(clientConfig(cloud()));
  withdraw = announceLaptop({
    port,
    pid: process.pid,
    startedAt: new Date().toISOString(),
    endpoint,
    env: { ...env },
    identity: {
      issuer: 'http://127.0.0.1:9',
      audience: 'slipway',
      tokenUrl: 'http://127.0.0.1:9/token',
      clientId: 'nobody',
      clientSecret: 'nothing',
    },
    logFile,
    dashboardUrl: 'http://127.0.0.1:9/',
  });
});

afterAll(() => {
  withdraw();
  rmSync(folder, { recursive: true, force: true });
});

describe('slipway doctor', () => {
  interface Told {
    checks: { name: string; status: string; says: string; fix?: string }[];
    price: { items: { stack: string }[]; usdPerMonth: number; unknown: string[] };
  }

  it('finds what is missing before anything is created, says how to mend it, and what it will cost', async () => {
    writeModel('churn', { monitoring: { slackWebhookParameter: '/slack/churn' } });
    const { code, stdout, stderr } = await command('doctor', '--json');
    expect(code, stderr).toBe(1);
    const { checks, price } = JSON.parse(stdout) as Told;
    const found = Object.fromEntries(checks.map(({ name, ...check }) => [name, check]));
    expect(found).toMatchObject({
      credentials: { status: 'ok', says: expect.stringContaining('000000000000') },
      region: { status: 'ok' },
      bootstrap: { status: 'problem', fix: expect.stringContaining('npx cdk bootstrap') },
      'Slack for churn': { status: 'problem', fix: expect.stringContaining('put-parameter') },
      synthesis: { status: 'ok' },
      stacks: { status: 'ok', says: expect.stringMatching(/^0 of \d+ are deployed$/) },
    });
    expect(Object.keys(found)).toContain('ml.m5.xlarge for spot training job usage');
    for (const { name, status, fix } of checks) {
      expect(fix !== undefined, name).toBe(status !== 'ok');
    }
    expect(price.unknown).toEqual([]);
    expect(price.usdPerMonth).toBeGreaterThan(1);
    expect(price.items.map(({ stack }) => stack)).toContain('Slipway-local-Model-Churn');
    expect(await stackNames()).toEqual([]);
  });

  it('is content once that is mended', async () => {
    const put = (Name: string, Value: string, Type: 'String' | 'SecureString') =>
      ssm.send(new PutParameterCommand({ Name, Value, Type }));
    await put('/cdk-bootstrap/hnb659fds/version', '28', 'String');
    await put('/slack/churn', 'https://hooks.slack.example/T0/B0', 'SecureString');
    const { code, stdout } = await command('doctor');
    expect(stdout).not.toMatch(/problem/);
    expect(stdout).toMatch(/in all +\$\d+\.\d\d/);
    expect(code).toBe(0);
  });

  it('tells a synthesis that fails, and what is wrong', async () => {
    writeModel('churn', { serving: { target: 'mainframe' } });
    const { code, stderr } = await command('doctor');
    writeModel('churn');
    expect(code).not.toBe(0);
    expect(stderr).toContain('serving.target');
  });
});

describe('slipway prune', () => {
  it('destroys nothing where every deployed model has its folder', async () => {
    await create('Slipway-local-Model-Churn', modelStack('churn'));
    const { code, stdout } = await command('prune', '--yes');
    expect(code).toBe(0);
    expect(stdout).toContain('nothing to destroy');
    expect(await stackNames()).toEqual(['Slipway-local-Model-Churn']);
  });

  it('refuses while the API still imports from it, and says what to deploy first', async () => {
    await create('Slipway-local-Model-OldChurn', modelStack('old-churn'));
    await create('Slipway-local-Api', apiStack(['churn', 'old-churn']));
    const { code, stderr } = await command('prune', '--yes');
    expect(code).toBe(1);
    expect(stderr).toContain('npx cdk deploy Slipway-local-Api');
    expect(await stackNames()).toHaveLength(3);
  });

  it('asks before it destroys: without a terminal and --yes it only shows', async () => {
    const StackName = 'Slipway-local-Api';
    const TemplateBody = JSON.stringify(apiStack(['churn']));
    await cloudformation.send(new UpdateStackCommand({ StackName, TemplateBody }));
    await waitUntilStackUpdateComplete(
      { client: cloudformation, maxWaitTime: 60, minDelay: 1 },
      { StackName },
    );
    const { code, stderr } = await command('prune');
    expect(code).toBe(2);
    expect(stderr).toContain('the model old-churn');
    expect(stderr).toContain('1 SQS::Queue');
    expect(stderr).toMatch(/Kept in Slipway-local-State/);
    expect(stderr).toContain('add --yes');
    expect(await stackNames()).toHaveLength(3);
  });

  it('destroys the stack of a model whose folder is gone, and no other', async () => {
    const { code, stdout, stderr } = await command('prune', '--yes', '--json');
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).destroyed).toMatchObject([
      { model: 'old-churn', stack: 'Slipway-local-Model-OldChurn', usedBy: [] },
    ]);
    expect(await stackNames()).toEqual(['Slipway-local-Api', 'Slipway-local-Model-Churn']);
    expect(await parameter('/slipway/local/models/churn/predict-function')).toBe('churn');
    await expect(
      parameter('/slipway/local/models/old-churn/predict-function'),
    ).rejects.toMatchObject({ name: 'ParameterNotFound' });
  });

  it('destroys the network of a cache once no model asks for one, after the last model in it', async () => {
    const network = {
      Resources: {
        Subnet: { Type: 'AWS::SQS::Queue', Properties: { SqsManagedSseEnabled: true } },
      },
      Outputs: { Subnet: { Value: 'subnet', Export: { Name: 'subnet-of-cache' } } },
    };
    const inside = modelStack('cached-churn');
    inside.Resources.Parameter.Properties.Value = { 'Fn::ImportValue': 'subnet-of-cache' } as never;
    await create('Slipway-local-Network', network);
    await create('Slipway-local-Model-CachedChurn', inside);
    writeModel('churn', { serving: { target: 'lambda', cache: { ttlSeconds: 60 } } });
    const wanted = await command('prune', '--yes', '--json');
    expect(wanted.code, wanted.stderr).toBe(0);
    const destroyed = ({ stdout }: typeof wanted) =>
      JSON.parse(stdout).destroyed.map(({ stack }: { stack: string }) => stack);
    expect(destroyed(wanted)).toEqual(['Slipway-local-Model-CachedChurn']);
    await create('Slipway-local-Model-CachedChurn', inside);
    writeModel('churn');
    expect(destroyed(await command('prune', '--yes', '--json'))).toEqual([
      'Slipway-local-Model-CachedChurn',
      'Slipway-local-Network',
    ]);
    expect(await stackNames()).toEqual(['Slipway-local-Api', 'Slipway-local-Model-Churn']);
  });

  it('has nothing to do the second time', async () => {
    const { code, stdout } = await command('prune', '--yes', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ destroyed: [] });
  });
});
