// Every stack of every environment on AWS, with models that between them use every section there is.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineModel } from '../../core/model/define-model.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import flightDelay from '../../models/flight-delay/model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { environmentOnAws, ownPythonOf } from './synthesis.ts';

export const environmentNames = ['dev', 'staging', 'prod'] as const;
export type EnvironmentName = (typeof environmentNames)[number];

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is what CloudFormation takes
  readonly Properties?: any;
}

export interface Waivers {
  /** The resource that it is about. */
  readonly logicalId: string;
  /** Rule → reason. */
  readonly rules: Readonly<Record<string, string>>;
}

export interface StackTemplate {
  readonly environment: EnvironmentName;
  readonly name: string;
  readonly file: string;
  readonly Resources: Readonly<Record<string, Resource>>;
  /** What was waived. */
  readonly waivers: readonly Waivers[];
}

export const models = [
  flightDelay,
  defineModel(
    aModelDefinition({
      name: 'churn',
      training: { trainer: 'xgboost', instanceType: 'ml.g5.xlarge' },
      delivery: { approval: 'manual' },
      monitoring: {
        owner: 'churn team',
        email: 'churn@example.com',
        slackWebhookParameter: '/slack/churn',
        expectTrafficEveryHours: 24,
      },
      retraining: { maxAgeDays: 30, monthlyBudgetUsd: 50 },
      serving: {
        target: 'lambda',
        memoryMb: 512,
        provisionedConcurrency: [
          { cron: '0 7 ? * MON-FRI *', timezone: 'Europe/Berlin', executions: 1 },
          { cron: '0 19 ? * MON-FRI *', timezone: 'Europe/Berlin', executions: 0 },
        ],
      },
    }),
  ),
  defineModel(aModelDefinition({ name: 'cached-churn', serving: { target: 'lambda', cache: {} } })),
  defineModel(
    aModelDefinition({ name: 'streamed-churn', serving: { target: 'lambda', streaming: {} } }),
  ),
  defineModel(
    aModelDefinition({
      name: 'busy-churn',
      monitoring: { expectTrafficEveryHours: 24 },
      serving: { target: 'ecs', cache: {}, predictionLog: { sampleRate: 0.1 } },
    }),
  ),
  defineModel(
    aModelDefinition({
      name: 'boxed-churn',
      features: { inModel: ['plan'] },
      training: { trainer: 'python' },
      serving: { target: 'container' },
    }),
  ),
];

interface Entry {
  readonly type: string;
  readonly data: unknown;
}

function waiversIn(file: string): readonly Waivers[] {
  const metadata: Record<string, Entry[]> = JSON.parse(readFileSync(file, 'utf8'));
  const entriesAt = (path: string, type: string) =>
    (metadata[path] ?? []).filter((entry) => entry.type === type).map(({ data }) => data);
  return Object.keys(metadata).flatMap((path) =>
    entriesAt(path, 'aws:cdk:acknowledged-rules').map((rules) => {
      const [logicalId] = [path, `${path}/Resource`].flatMap((at) =>
        entriesAt(at, 'aws:cdk:logicalId'),
      );
      const named = Object.entries(rules as object).map(([rule, reason]) => [
        rule.replace('Annotation::', ''),
        reason,
      ]);
      return { logicalId: String(logicalId), rules: Object.fromEntries(named) };
    }),
  );
}

const made = new Map<EnvironmentName, readonly StackTemplate[]>();

export const callersWithTokens = {
  auth: 'jwt' as const,
  issuer: 'https://id',
  jwksUri: 'https://id/keys',
  audience: 'a',
  callerLimit: {
    requestsPerSecond: 20,
    burst: 40,
    named: { billing: { requestsPerSecond: 200, burst: 400 } },
  },
};

function synthesise(environment: EnvironmentName): readonly StackTemplate[] {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-every-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const callers = environment === 'staging' ? callersWithTokens : { auth: 'iam' as const };
  const settings = { ...environmentOnAws(environment), api: callers };
  const ownPython = ownPythonOf('boxed-churn');
  slipwayApp(settings, models, undefined, { outputFolder: folder, ownPython }).synth();
  return readdirSync(folder)
    .filter((name) => name.endsWith('.template.json'))
    .map((name) => {
      const file = join(folder, name);
      const stack = name.replace('.template.json', '');
      const { Resources } = JSON.parse(readFileSync(file, 'utf8'));
      const waivers = waiversIn(join(folder, `${stack}.metadata.json`));
      return { environment, name: stack, file, Resources, waivers };
    });
}

/** The stacks of an environment, made once per process. */
export function stacksOf(environment: EnvironmentName): readonly StackTemplate[] {
  const known = made.get(environment) ?? synthesise(environment);
  made.set(environment, known);
  return known;
}

export const everyStack = (): readonly StackTemplate[] => environmentNames.flatMap(stacksOf);

/** The resources of a type, with their logical ids. */
export const resourcesOf = ({ Resources }: StackTemplate, type: string) =>
  Object.entries(Resources).filter(([, { Type }]) => Type === type);
