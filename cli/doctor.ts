// Whether an environment can be deployed and run here, before anything is created.
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudFormationClient, paginateDescribeStacks } from '@aws-sdk/client-cloudformation';
import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { paginateListServiceQuotas, ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { wheelSetsOf } from '../config/model-python.ts';
import type { ModelDefinition } from '../core/model/define-model.ts';
import type { EcsServing } from '../core/model/serving-section.ts';
import { cdk } from './cdk.ts';
import { describeError } from './command-error.ts';
import { type IdlePrice, idlePrice } from './idle-price.ts';
import { type RunningLaptop, repositoryRoot, synthesisVariables } from './laptop-file.ts';
import type { PricedTemplate } from './list-prices.ts';
import type { Terminal } from './terminal.ts';

export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'problem';
  /** What was found. */
  readonly says: string;
  /** What to do about it, unless it is ok. */
  readonly fix?: string;
}

export interface Patient {
  readonly environment: string;
  readonly models: readonly ModelDefinition[];
  readonly laptop: RunningLaptop | undefined;
}

const ok = (name: string, says: string): Check => ({ name, status: 'ok', says });
const warning = (name: string, says: string, fix: string): Check => ({
  name,
  status: 'warning',
  says,
  fix,
});
const problem = (name: string, says: string, fix: string): Check => ({
  name,
  status: 'problem',
  says,
  fix,
});

/** A check that cannot be made is no verdict, but has to be known. */
const unknown = (name: string, error: unknown): Check =>
  warning(
    name,
    `could not be read: ${describeError(error)}`,
    'look into the console, or ask an administrator',
  );

/** Who asks, and in which account. */
export async function checkCredentials(client = new STSClient()): Promise<Check> {
  const name = 'credentials';
  try {
    const { Account, Arn = '' } = await client.send(new GetCallerIdentityCommand());
    if (Arn.endsWith(':root') && Account !== '000000000000') {
      return warning(name, `you are the root user of ${Account}`, 'use a role for deployments');
    }
    return ok(name, `${Arn} in account ${Account}`);
  } catch (error) {
    return problem(name, describeError(error), 'sign in (aws sso login) or set AWS_PROFILE');
  }
}

export function checkRegion(
  variables: Readonly<Record<string, string | undefined>>,
  deployedTo: string,
): Check {
  const said = variables['AWS_REGION'] ?? variables['CDK_DEFAULT_REGION'];
  if (said !== undefined) return ok('region', said);
  return warning(
    'region',
    `none is set; stacks go to ${deployedTo}, and the SDK may look elsewhere`,
    `set AWS_REGION, as in AWS_REGION=${deployedTo}`,
  );
}

/** What the templates ask for; they check it themselves, after everything was uploaded. */
const bootstrapAtLeast = 6;

export async function checkBootstrap(
  environment: string,
  client = new SSMClient(),
): Promise<Check> {
  const name = 'bootstrap';
  const fix = `SLIPWAY_ENVIRONMENT=${environment} npx cdk bootstrap`;
  try {
    const { Parameter } = await client.send(
      new GetParameterCommand({ Name: '/cdk-bootstrap/hnb659fds/version' }),
    );
    const version = Number(Parameter?.Value);
    if (version >= bootstrapAtLeast) return ok(name, `version ${version}`);
    return problem(name, `version ${version} is older than ${bootstrapAtLeast}`, fix);
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ParameterNotFound'))
      return unknown(name, error);
    return problem(name, 'account and region were never bootstrapped for the CDK', fix);
  }
}

/** A pipeline's steps and an endpoint's first callers run at the same time. */
const concurrencyWanted = 50;

export async function checkConcurrency(client = new LambdaClient()): Promise<Check> {
  const name = 'Lambda concurrency';
  const fix =
    'raise "Concurrent executions" of AWS Lambda in Service Quotas; until then callers are throttled while a pipeline runs';
  try {
    const { AccountLimit } = await client.send(new GetAccountSettingsCommand());
    const limit = AccountLimit?.ConcurrentExecutions;
    if (limit === undefined) return unknown(name, new Error('the account has no limit'));
    const says = `${limit} executions at a time`;
    return limit >= concurrencyWanted ? ok(name, says) : warning(name, says, fix);
  } catch (error) {
    return unknown(name, error);
  }
}

/** How many instances of each type the models' trainings may have. A young account often has none. */
export async function checkTrainingQuotas(
  models: readonly ModelDefinition[],
  client = new ServiceQuotasClient(),
): Promise<Check[]> {
  const names = models.map(
    ({ training: { instanceType, spot } }) =>
      `${instanceType} for ${spot ? 'spot training job' : 'training job'} usage`,
  );
  const wanted = [...new Set(names)];
  if (wanted.length === 0) return [];
  try {
    const limits = new Map<string, number>();
    for await (const { Quotas = [] } of paginateListServiceQuotas(
      { client },
      { ServiceCode: 'sagemaker' },
    )) {
      for (const { QuotaName = '', Value = 0 } of Quotas) limits.set(QuotaName, Value);
    }
    return wanted.map((quota) => {
      const limit = limits.get(quota);
      if (limit !== undefined && limit >= 1) return ok(quota, `${limit} instances`);
      const says =
        limit === 0
          ? 'none is allowed: a training would wait in vain'
          : 'there is no such quota in this region';
      return problem(
        quota,
        says,
        `ask for 1 of "${quota}" of Amazon SageMaker in Service Quotas, or use another training.instanceType`,
      );
    });
  } catch (error) {
    return wanted.map((quota) => unknown(quota, error));
  }
}

const fargateQuota = 'Fargate On-Demand vCPU resource count';

/** Whether all tasks may run at the same time, and during a deployment twice the fewest. */
export async function checkTaskQuota(
  models: readonly ModelDefinition[],
  client = new ServiceQuotasClient(),
): Promise<Check[]> {
  const served = models.flatMap(({ serving }) => (serving.target === 'ecs' ? [serving] : []));
  if (served.length === 0) return [];
  const vcpus = (tasks: (serving: EcsServing) => number): number =>
    served.reduce((sum, serving) => sum + tasks(serving) * serving.vcpu, 0);
  const atLeast = vcpus(({ minimumTasks }) => 2 * minimumTasks);
  const atMost = vcpus(({ maximumTasks }) => maximumTasks);
  try {
    for await (const { Quotas = [] } of paginateListServiceQuotas(
      { client },
      { ServiceCode: 'fargate' },
    )) {
      const limit = Quotas.find(({ QuotaName }) => QuotaName === fargateQuota)?.Value;
      if (limit === undefined) continue;
      if (limit >= Math.max(atLeast, atMost)) return [ok(fargateQuota, `${limit} vCPU`)];
      const fix = `ask for ${Math.max(atLeast, atMost)} of "${fargateQuota}" of AWS Fargate in Service Quotas, or lower serving.maximumTasks`;
      return limit < atLeast
        ? [problem(fargateQuota, `${limit} vCPU; a deployment needs ${atLeast}`, fix)]
        : [warning(fargateQuota, `${limit} vCPU; all tasks together have ${atMost}`, fix)];
    }
    return [unknown(fargateQuota, new Error('there is no such quota in this region'))];
  } catch (error) {
    return [unknown(fargateQuota, error)];
  }
}

export async function checkSlack(
  models: readonly ModelDefinition[],
  client = new SSMClient(),
): Promise<Check[]> {
  const named = models.flatMap(({ name, monitoring }) =>
    monitoring.slackWebhookParameter === undefined
      ? []
      : [{ name: `Slack for ${name}`, Name: monitoring.slackWebhookParameter }],
  );
  return Promise.all(
    named.map(async ({ name, Name }) => {
      const fix = `aws ssm put-parameter --type SecureString --name ${Name} --value <the webhook's URL>`;
      try {
        const { Parameter } = await client.send(new GetParameterCommand({ Name }));
        return Parameter?.Type === 'SecureString'
          ? ok(name, Name)
          : problem(
              name,
              `${Name} is a ${Parameter?.Type}, readable by many`,
              `${fix} --overwrite`,
            );
      } catch (error) {
        if (!(error instanceof Error && error.name === 'ParameterNotFound'))
          return unknown(name, error);
        return problem(name, `there is no parameter ${Name}: messages would be lost`, fix);
      }
    }),
  );
}

/** On AWS the trainer brings its packages; the first synthesis downloads them. */
export function checkWheels(
  models: readonly ModelDefinition[],
  folder = join(repositoryRoot, '.slipway', 'wheels'),
): Check[] {
  return wheelSetsOf(models).map((set) =>
    existsSync(join(folder, set))
      ? ok(`wheels of ${set}`, 'downloaded')
      : warning(
          `wheels of ${set}`,
          'not downloaded yet; the first synthesis does it',
          'node bin/setup.mjs wheels',
        ),
  );
}

/** Which of the stacks there are, and whether one is stuck. */
export async function checkStacks(
  stacks: readonly string[],
  client = new CloudFormationClient(),
): Promise<Check> {
  const name = 'stacks';
  try {
    const deployed = new Map<string, string>();
    for await (const { Stacks = [] } of paginateDescribeStacks({ client }, {})) {
      for (const { StackName = '', StackStatus = '' } of Stacks) {
        if (stacks.includes(StackName)) deployed.set(StackName, StackStatus);
      }
    }
    const stuck = [...deployed].filter(([, status]) => /FAILED|^ROLLBACK_COMPLETE/.test(status));
    if (stuck.length > 0) {
      return problem(
        name,
        stuck.map(([stack, status]) => `${stack} is ${status}`).join(', '),
        'its events in the CloudFormation console say why; a ROLLBACK_COMPLETE stack has to be deleted before it is deployed again',
      );
    }
    return ok(name, `${deployed.size} of ${stacks.length} are deployed`);
  } catch (error) {
    return unknown(name, error);
  }
}

/** Everything that is not in the templates. */
export async function examine({ environment, models, laptop }: Patient): Promise<Check[]> {
  const region = process.env['AWS_REGION'] ?? process.env['CDK_DEFAULT_REGION'] ?? 'eu-west-1';
  const credentials = await checkCredentials();
  const local = [checkRegion(process.env, region), ...(laptop ? [] : checkWheels(models))];
  // Without credentials every other question would only be answered the same.
  if (credentials.status === 'problem') return [credentials, ...local];
  const [bootstrap, concurrency, quotas, tasks, slack] = await Promise.all([
    checkBootstrap(environment),
    checkConcurrency(),
    checkTrainingQuotas(models),
    checkTaskQuota(models),
    checkSlack(models),
  ]);
  return [credentials, ...local, bootstrap, concurrency, ...quotas, ...tasks, ...slack];
}

/** The templates of an environment as the CDK CLI makes them, by stack. @throws CommandError */
export async function templatesOf(
  { environment, laptop }: Patient,
  { note }: Pick<Terminal, 'note'>,
): Promise<Map<string, PricedTemplate>> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-doctor-'));
  try {
    const variables = { SLIPWAY_ENVIRONMENT: environment, TMPDIR: folder };
    const assembly = join(folder, 'assembly');
    await cdk(
      ['synth', '--quiet', '--output', assembly],
      { ...variables, ...(laptop && synthesisVariables(laptop)) },
      { note },
    );
    return new Map(
      globSync('*.template.json', { cwd: assembly }).map((file) => [
        file.slice(0, -'.template.json'.length),
        JSON.parse(readFileSync(join(assembly, file), 'utf8')),
      ]),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export interface Diagnosis {
  readonly checks: readonly Check[];
  readonly price: IdlePrice | undefined;
}

/** All checks, and what the environment would cost while nobody uses it. */
export async function diagnose(
  patient: Patient,
  terminal: Pick<Terminal, 'note'>,
): Promise<Diagnosis> {
  const checks = await examine(patient);
  let templates: Map<string, PricedTemplate>;
  try {
    templates = await templatesOf(patient, terminal);
  } catch (error) {
    const fix = 'mend what it says, then run this again';
    return {
      checks: [...checks, problem('synthesis', describeError(error), fix)],
      price: undefined,
    };
  }
  const price = idlePrice(templates);
  const stacks = await checkStacks([...templates.keys()]);
  const priced =
    price.unknown.length === 0
      ? []
      : [warning('price', 'not of everything', price.unknown.join('; '))];
  return {
    checks: [...checks, ok('synthesis', `${templates.size} stacks`), stacks, ...priced],
    price,
  };
}
