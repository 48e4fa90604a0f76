import { App, Aspects, Tags, Validations } from 'aws-cdk-lib';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { modelStackName } from '../../core/model/stack-names.ts';
import { InvalidDocumentError } from '../../core/parse-document.ts';
import type { LineagePolicy } from '../../core/registry/declared-lineage.ts';
import type { FirewallSettings } from '../inference/firewall.ts';
import type { CallerAuth } from '../inference/inference-api.ts';
import { rulePriority, type TaskImages } from '../inference/model-service.ts';
import type { BalancerCertificate } from '../inference/task-hosting.ts';
import type { Platform } from '../runtime/native-layer.ts';
import { WaiveExplainedWildcards } from '../runtime/waivers.ts';
import {
  type ImagesOfPython,
  imagesOfOwn,
  type OwnPython,
  servingImageOf,
} from '../training/own-python.ts';
import type { TrainingImages } from '../training/training-image.ts';
import { AccountStack } from './account-stack.ts';
import { ApiStack } from './api-stack.ts';
import { ModelStack } from './model-stack.ts';
import { MonitoringStack } from './monitoring-stack.ts';
import { type CachePlace, networkFor } from './network-stack.ts';
import { StateStack } from './state-stack.ts';

/** CDK's behaviours of today; here and not in cdk.json, so that every synthesis has the same. */
const featureFlags = {
  '@aws-cdk/core:defaultCrossStackReferences': 'strong',
  '@aws-cdk/core:enablePartitionLiterals': true,
  '@aws-cdk/core:target-partitions': ['aws'],
  '@aws-cdk/aws-iam:minimizePolicies': true,
  '@aws-cdk/aws-apigateway:disableCloudWatchRole': true,
  '@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy': true,
};

const retention = {
  7: RetentionDays.ONE_WEEK,
  30: RetentionDays.ONE_MONTH,
  90: RetentionDays.THREE_MONTHS,
  365: RetentionDays.ONE_YEAR,
};

/** What differs between environments. */
export interface Environment {
  readonly name: string;
  readonly region: string;
  readonly quietPeriodSeconds: number;
  readonly lineage: LineagePolicy;
  readonly api: CallerAuth;
  readonly firewall?: FirewallSettings | undefined;
  /** Where models that ask for a cache share their answers. */
  readonly cache: CachePlace;
  /** What tasks are made of, and how the load balancer before them proves who it is, if it does. */
  readonly tasks: TaskImages & { readonly certificate?: BalancerCertificate | undefined };
  readonly trainingImages: { readonly xgboost: TrainingImages; readonly python: ImagesOfPython };
  readonly predictionLogBufferSeconds: number;
  readonly driftCheckMinutes: number;
  readonly alarmPeriodMinutes: number;
  readonly pipelineMemoryMb: number;
  readonly logRetentionDays: keyof typeof retention;
  readonly platform: Platform;
}

/** @throws InvalidDocumentError naming models whose stacks would be one. */
function refuseSharedStacks(models: readonly ModelDefinition[]): void {
  // Case is ignored, because the templates are files, and not every file system tells it apart.
  const sharing = Map.groupBy(models, ({ name }) => modelStackName('', name).toLowerCase());
  const problems = [...sharing.values()]
    .filter((group) => group.length > 1)
    .map((group) => {
      const names = group.map(({ name }) => `'${name}'`).join(' and ');
      return `name: ${names} would be the same stack; give each a name that differs in letters or digits`;
    });
  if (problems.length > 0) throw new InvalidDocumentError('the set of models', problems);
}

/** @throws InvalidDocumentError naming models that the load balancer could not tell apart. */
function refuseSharedRules(models: readonly ModelDefinition[]): void {
  const served = models.filter(({ serving }) => serving.target === 'ecs');
  const problems = [...Map.groupBy(served, ({ name }) => rulePriority(name)).values()]
    .filter((group) => group.length > 1)
    .map((group) => {
      const names = group.map(({ name }) => `'${name}'`).join(' and ');
      return `name: ${names} would have the same place at the load balancer, by chance; give one another name`;
    });
  if (problems.length > 0) throw new InvalidDocumentError('the set of models', problems);
}

/** Of the models of each Slack channel one, so that what concerns them all is told there once. */
const firstOfItsChannel = (models: readonly ModelDefinition[]): ModelDefinition[] =>
  [...Map.groupBy(models, ({ monitoring }) => monitoring.slackWebhookParameter).values()].flatMap(
    ([first]) => first ?? [],
  );

/**
 * Where a model is trained, what it brings to there, and what its container runs.
 * @throws InvalidDocumentError where a model's own Python was not handed over.
 */
function trainingOf(
  model: ModelDefinition,
  { region, trainingImages }: Environment,
  ownPython: ReadonlyMap<string, OwnPython>,
): { trainingImages: TrainingImages; ownPython?: OwnPython; servingImage?: string | undefined } {
  const { name, training } = model;
  if (training.trainer === 'xgboost') return { trainingImages: trainingImages.xgboost };
  const own = ownPython.get(name);
  if (!own) {
    throw new InvalidDocumentError(`the model ${name}`, [
      "training.trainer: 'python' needs the model's own folder with train.py and requirements.txt; keep model.ts in models/<name>/ beside them",
    ]);
  }
  return {
    trainingImages: imagesOfOwn(trainingImages.python, own),
    ownPython: own,
    servingImage: servingImageOf(model, trainingImages.python, own, region),
  };
}

/** What an application is built with besides environment, models and account. */
export interface AppOptions {
  readonly outputFolder?: string;
  /** Model → the Python that it brings, of models with their own train.py. */
  readonly ownPython?: ReadonlyMap<string, OwnPython>;
}

/**
 * All stacks of an environment: what its account has once, what is kept, one stack per model, and over
 * them the API and what watches.
 * @throws InvalidDocumentError when two models would be the same stack.
 */
export function slipwayApp(
  environment: Environment,
  models: readonly ModelDefinition[],
  account: string | undefined,
  { outputFolder, ownPython = new Map() }: AppOptions = {},
): App {
  refuseSharedStacks(models);
  refuseSharedRules(models);
  const app = new App({ outdir: outputFolder, context: featureFlags });
  const prefix = `Slipway-${environment.name}`;
  const shared = {
    environment: environment.name,
    env: { region: environment.region, account },
    logRetention: retention[environment.logRetentionDays],
  };
  const ofAccount = new AccountStack(app, 'Slipway-Account', { env: shared.env });
  const emails = models.flatMap(({ monitoring }) => monitoring.email ?? []);
  const state = new StateStack(app, `${prefix}-State`, {
    ...shared,
    emails: [...new Set(emails)],
  });
  const network = networkFor(app, environment, models, shared);
  const stacks = models.map((model) => {
    const stack = new ModelStack(app, modelStackName(environment.name, model.name), {
      ...shared,
      model,
      state,
      platform: environment.platform,
      ...trainingOf(model, environment, ownPython),
      quietPeriodSeconds: environment.quietPeriodSeconds,
      lineage: environment.lineage,
      predictionLogBufferSeconds: environment.predictionLogBufferSeconds,
      sharedCache: network.cacheOf(model),
      hosting: network.hosting,
      taskImages: environment.tasks,
      auth: environment.api.auth,
      driftCheckMinutes: environment.driftCheckMinutes,
      alarmPeriodMinutes: environment.alarmPeriodMinutes,
      tellsSlackOfEnvironment: firstOfItsChannel(models).includes(model),
      pipelineMemoryMb: environment.pipelineMemoryMb,
    });
    Tags.of(stack).add('slipway:model', model.name);
    return stack;
  });
  // API Gateway refuses an API without a route; without a model there is nothing to watch.
  const [firstModel, ...otherModels] = models;
  if (firstModel) {
    const api = new ApiStack(app, `${prefix}-Api`, {
      ...shared,
      callers: environment.api,
      firewall: environment.firewall,
      routes: stacks.map(({ routes }) => routes),
    });
    api.addStackDependency(ofAccount, 'a stage that logs needs the role of the account');
    new MonitoringStack(app, `${prefix}-Monitoring`, {
      ...shared,
      deadLetters: state.deadLetters,
      models: stacks.map(({ monitored }) => monitored),
      watched: [firstModel, ...otherModels],
      data: state.buckets.data,
      driftCheckMinutes: environment.driftCheckMinutes,
      alarmPeriodMinutes: environment.alarmPeriodMinutes,
    });
  }
  for (const stack of app.node.children) {
    // What all environments share must not change hands with every deployment.
    if (stack !== ofAccount) Tags.of(stack).add('slipway:environment', environment.name);
  }
  Aspects.of(app).add(new WaiveExplainedWildcards());
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return app;
}
