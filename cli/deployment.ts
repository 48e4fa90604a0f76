import { paginateGetParametersByPath, SSMClient } from '@aws-sdk/client-ssm';
import { dynamodbLedger } from '../adapters/dynamodb-ledger.ts';
import { dynamodbParityChecks } from '../adapters/dynamodb-parity-checks.ts';
import { dynamodbRegistry } from '../adapters/dynamodb-registry.ts';
import { dynamodbRetrainingState } from '../adapters/dynamodb-retraining-state.ts';
import { dynamodbRunLock } from '../adapters/dynamodb-run-lock.ts';
import { dynamodbVersionHealth } from '../adapters/dynamodb-version-health.ts';
import { s3Objects } from '../adapters/s3-objects.ts';
import { Sources } from '../core/model/sources.ts';
import { parseDocument } from '../core/parse-document.ts';
import { LineagePolicy } from '../core/registry/declared-lineage.ts';
import { CommandError, usageError } from './command-error.ts';
import {
  chooseLaptop,
  type RunningLaptop,
  runningLaptops,
  startingLaptops,
} from './laptop-file.ts';

export const environmentNames = ['local', 'dev', 'staging', 'prod'] as const;

export interface Target {
  readonly env: string;
  /** Port of a laptop cloud. */
  readonly cloud?: string | undefined;
}

export interface DeployedModel {
  readonly name: string;
  readonly stateMachineArn: string;
  readonly requestRunFunction: string;
  readonly predictFunction: string;
  /** Undefined of a deployment from before there were batches. */
  readonly batchStateMachineArn: string | undefined;
  /** Which versions the environment takes, by their lineage. */
  readonly lineage: LineagePolicy;
  /** Only of a model that containers answer. */
  readonly deployCandidateFunction: string | undefined;
  /** Only of a model with streams. */
  readonly streams: { readonly events: string; readonly results: string } | undefined;
  /** What it was made of; undefined of a deployment from before this was kept. */
  readonly sources: Sources | undefined;
}

/** Leads every AWS client of this process to the target; a laptop cloud is given back. */
export function pointAt(target: Target): RunningLaptop | undefined {
  if (!environmentNames.some((name) => name === target.env)) {
    throw usageError(
      `there is no environment '${target.env}'; --env is one of ${environmentNames.join(', ')}`,
    );
  }
  if (target.env !== 'local') return undefined;
  const laptop = chooseLaptop(
    runningLaptops(),
    target.cloud ?? process.env['SLIPWAY_CLOUD'],
    startingLaptops(),
  );
  Object.assign(process.env, laptop.env);
  return laptop;
}

async function readParameters(env: string): Promise<Map<string, string>> {
  const parameters = new Map<string, string>();
  const path = `/slipway/${env}/`;
  const pages = paginateGetParametersByPath(
    { client: new SSMClient() },
    { Path: path, Recursive: true },
  );
  for await (const page of pages) {
    for (const { Name, Value } of page.Parameters ?? []) {
      if (Name !== undefined && Value !== undefined) parameters.set(Name.slice(path.length), Value);
    }
  }
  return parameters;
}

function sourcesIn(parameters: ReadonlyMap<string, string>, name: string): Sources | undefined {
  const value = parameters.get(name);
  return value === undefined ? undefined : parseDocument(Sources, JSON.parse(value), name);
}

function streamsIn(parameters: ReadonlyMap<string, string>, model: string) {
  const events = parameters.get(`models/${model}/events-stream`);
  const results = parameters.get(`models/${model}/results-stream`);
  return events === undefined || results === undefined ? undefined : { events, results };
}

const modelsIn = (parameters: ReadonlyMap<string, string>): string[] =>
  [...parameters.keys()]
    .flatMap((name) => /^models\/([^/]+)\/state-machine-arn$/.exec(name)?.[1] ?? [])
    .sort();

/** Names of the models that are deployed in an environment, which need not be deployed itself. */
export const deployedModels = async (env: string): Promise<string[]> =>
  modelsIn(await readParameters(env));

export type Deployment = Awaited<ReturnType<typeof openDeployment>>;

/** A deployed environment; undefined where only parts of it are left. */
export async function findDeployment(target: Target): Promise<Deployment | undefined> {
  pointAt(target);
  const parameters = await readParameters(target.env);
  return parameters.has('registry-table') ? openDeployment(target) : undefined;
}

/**
 * A deployed environment, found through the parameters that its stacks wrote.
 * @throws CommandError where there is none.
 */
export async function openDeployment(target: Target) {
  const laptop = pointAt(target);
  const parameters = await readParameters(target.env);
  const parameter = (name: string): string => {
    const value = parameters.get(name);
    if (value !== undefined) return value;
    throw new CommandError(
      `the environment '${target.env}' is not deployed here (no parameter /slipway/${target.env}/${name}); deploy it with \`slipway deploy --env ${target.env}\``,
    );
  };
  const models = modelsIn(parameters);
  const tableName = parameter('registry-table');
  return {
    environment: target.env,
    /** Where the environment is a laptop cloud. */
    laptop,
    parameter,
    /** Names of the deployed models. */
    models,
    registry: dynamodbRegistry({ tableName }),
    ledger: dynamodbLedger({ tableName }),
    health: dynamodbVersionHealth({ tableName }),
    parity: dynamodbParityChecks({ tableName }),
    runLock: dynamodbRunLock({ tableName }),
    retraining: dynamodbRetrainingState({ tableName }),
    data: s3Objects({ bucket: parameter('data-bucket') }),
    artifacts: s3Objects({ bucket: parameter('artifacts-bucket') }),

    /** @throws CommandError listing the models there are. */
    model(name: string): DeployedModel {
      if (!models.includes(name)) {
        throw usageError(
          `there is no model '${name}' in '${target.env}'; ${
            models.length > 0 ? `there is ${models.join(', ')}` : 'no model is deployed'
          }; one that is written here is deployed with \`slipway deploy ${name}${target.env === 'local' ? '' : ` --env ${target.env}`}\``,
        );
      }
      return {
        name,
        stateMachineArn: parameter(`models/${name}/state-machine-arn`),
        requestRunFunction: parameter(`models/${name}/request-run-function`),
        predictFunction: parameter(`models/${name}/predict-function`),
        batchStateMachineArn: parameters.get(`models/${name}/batch-state-machine-arn`),
        // Of a deployment from before there were imports.
        lineage: LineagePolicy.parse(parameters.get(`models/${name}/lineage`) ?? 'any'),
        deployCandidateFunction: parameters.get(`models/${name}/deploy-candidate-function`),
        streams: streamsIn(parameters, name),
        sources: sourcesIn(parameters, `models/${name}/sources`),
      };
    },
  };
}
