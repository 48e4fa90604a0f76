import { z } from 'zod';
import { parseDocument } from '../core/parse-document.ts';

const Api = z.discriminatedUnion('auth', [
  /** Callers carry a JWT of an OpenID provider, with scopes `<model>:predict` and `<model>:feedback`. */
  z.strictObject({
    auth: z.literal('jwt'),
    issuer: z.url({ error: 'the URL of an OpenID provider' }),
    jwksUri: z.url({ error: "the URL of the provider's keys" }),
    audience: z.string().min(1),
  }),
  /** Callers sign their requests (SigV4); which models a principal may call is IAM's to say. */
  z.strictObject({ auth: z.literal('iam') }),
]);

export const Environment = z.strictObject({
  name: z.enum(['local', 'dev', 'staging', 'prod'], {
    error: 'an environment is one of local, dev, staging, prod; set SLIPWAY_ENVIRONMENT',
  }),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, { error: 'an AWS region, as in eu-west-1' }),
  /** A run waits until nothing has been dropped for this long. */
  quietPeriodSeconds: z.int().min(0).max(3_600),
  api: Api,
  /** Trainer → image that SageMaker runs; in local a Python environment's folder stands for it. */
  trainingImages: z.strictObject({ xgboost: z.string().min(1) }),
  /** How long the prediction log is gathered before it is written. */
  predictionLogBufferSeconds: z.int().min(0).max(900),
  logRetentionDays: z.union([z.literal(7), z.literal(30), z.literal(90), z.literal(365)]),
  /** What its native libraries are built for. */
  platform: z.strictObject({ os: z.enum(['linux', 'darwin']), cpu: z.enum(['x64', 'arm64']) }),
});
export type Environment = z.infer<typeof Environment>;

type Variables = Readonly<Record<string, string | undefined>>;

/** SageMaker's CPU image of the region's Deep Learning Containers. */
const deepLearningContainer = (region: string): string =>
  `763104351884.dkr.ecr.${region}.amazonaws.com/pytorch-training:2.9.0-cpu-py312-ubuntu22.04-sagemaker`;

function onAws(name: 'dev' | 'staging' | 'prod', variables: Variables): unknown {
  const region = variables['AWS_REGION'] ?? variables['CDK_DEFAULT_REGION'] ?? 'eu-west-1';
  return {
    name,
    region,
    quietPeriodSeconds: 30,
    api: { auth: 'iam' },
    trainingImages: { xgboost: deepLearningContainer(region) },
    predictionLogBufferSeconds: 300,
    logRetentionDays: name === 'prod' ? 365 : 30,
    platform: { os: 'linux', cpu: 'x64' },
  };
}

const environments: Record<string, (variables: Variables) => unknown> = {
  local: (variables) => ({
    name: 'local',
    region: variables['AWS_REGION'] ?? 'us-east-1',
    quietPeriodSeconds: 30,
    api: {
      auth: 'jwt',
      issuer: variables['SLIPWAY_LOCAL_JWT_ISSUER'],
      jwksUri: variables['SLIPWAY_LOCAL_JWKS_URI'],
      audience: 'slipway',
    },
    trainingImages: { xgboost: variables['SLIPWAY_LOCAL_TRAINING_IMAGE'] },
    predictionLogBufferSeconds: 5,
    logRetentionDays: 7,
    platform: { os: process.platform, cpu: process.arch },
  }),
  dev: (variables) => onAws('dev', variables),
  staging: (variables) => onAws('staging', variables),
  prod: (variables) => onAws('prod', variables),
};

/**
 * The environment that SLIPWAY_ENVIRONMENT names (local when unset), checked.
 * @throws InvalidDocumentError naming path, value and fix.
 */
export function readEnvironment(variables: Variables): Environment {
  const name = variables['SLIPWAY_ENVIRONMENT'] ?? 'local';
  const candidate = environments[name]?.(variables) ?? { name };
  return parseDocument(
    Environment,
    candidate,
    `the environment '${name}' (config/environments.ts)`,
  );
}
