import { join } from 'node:path';
import * as z from 'zod';
import { parseDocument } from '../core/parse-document.ts';
import { LineagePolicy } from '../core/registry/declared-lineage.ts';

/** What is over it is answered 429. */
const RequestLimit = z.strictObject({
  requestsPerSecond: z.number().positive().max(10_000),
  /** How many may come at once. */
  burst: z.int().min(1).max(5_000, { error: 'at most 5,000: an account has no more by default' }),
});

const Api = z.discriminatedUnion('auth', [
  /** Callers carry a JWT of an OpenID provider, with scopes `<model>:predict` and `<model>:feedback`. */
  z.strictObject({
    auth: z.literal('jwt'),
    issuer: z.url({ error: 'the URL of an OpenID provider' }),
    jwksUri: z.url({ error: "the URL of the provider's keys" }),
    audience: z.string().min(1),
    /** How much each caller may ask, by the `sub` of their tokens; `named` ones have limits of their own. */
    callerLimit: z.strictObject({
      ...RequestLimit.shape,
      named: z
        .record(z.string().min(1), RequestLimit)
        .refine((named) => Object.keys(named).length <= 50, {
          error: 'at most 50 callers: each is a usage plan, of which an account has 300',
        })
        .default({}),
    }),
  }),
  /** Callers sign their requests (SigV4); which models a principal may call is IAM's to say. */
  z.strictObject({ auth: z.literal('iam') }),
]);

/** A folder of wheels goes with an image that has not the trainer's packages. */
const wheels = z.string().min(1).optional();
const deepLearningContainer = z.string().regex(/^[^:@/]+:[^:@/]+$/);
const TrainingImage = z.union([
  /** Repository and tag; the account is the region's. */
  z.strictObject({ deepLearningContainer, wheels }),
  /** An image's whole address; in local a Python environment's folder stands for it. */
  z.strictObject({ image: z.string().min(1), wheels }),
]);
/** For instances without and with a GPU; the latter trains on it where its XGBoost is built with CUDA. */
const ImagesOfXgboost = z.strictObject({
  cpu: TrainingImage,
  gpu: TrainingImage,
  gpuDevice: z.enum(['cpu', 'cuda']),
});

const ImageForWheels = z.union([
  z.strictObject({ deepLearningContainer }),
  z.strictObject({ image: z.string().min(1) }),
]);
/** Where models with their own train.py are trained, and where containers serve them. */
const ImagesOfPython = z.discriminatedUnion('kind', [
  /** Each brings its own wheels. */
  z.strictObject({
    kind: z.literal('images'),
    cpu: ImageForWheels,
    gpu: ImageForWheels,
    serving: ImageForWheels,
  }),
  /** Each has its Python environment on this disk. */
  z.strictObject({ kind: z.literal('environments') }),
]);

/** Where models that ask for a cache share their answers. */
const Cache = z.discriminatedUnion('kind', [
  /** ElastiCache Serverless in a network of its own. */
  z.strictObject({
    kind: z.literal('elasticache'),
    /** Two zones that have both Lambda and ElastiCache; by default the region's first two. */
    availabilityZones: z.tuple([z.string(), z.string()]).optional(),
  }),
  /** A Valkey or Redis in cluster mode that everybody on this machine may use. */
  z.strictObject({
    kind: z.literal('address'),
    host: z.string().min(1),
    port: z.int().min(1).max(65_535),
  }),
  /** Each environment of a function keeps its own. */
  z.strictObject({ kind: z.literal('memory') }),
]);

/** What tasks of models on ECS are made of: public images, which hold nothing of ours. */
const Tasks = z.strictObject({
  /** Node on a Debian, whose tags are Docker's own. */
  node: z.string().min(1),
  awsCli: z.string().min(1),
  /**
   * Of ACM, for any name: with it API Gateway asks the load balancer over TLS. Without, requests go from its
   * address in the network to the load balancer as plain HTTP.
   */
  certificate: z
    .strictObject({
      arn: z.string().regex(/^arn:aws[a-z-]*:acm:/, { error: 'the ARN of a certificate in ACM' }),
      domainName: z.string().min(1),
    })
    .optional(),
});

export const Environment = z.strictObject({
  name: z.enum(['local', 'dev', 'staging', 'prod'], {
    error: 'an environment is one of local, dev, staging, prod; set SLIPWAY_ENVIRONMENT',
  }),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, { error: 'an AWS region, as in eu-west-1' }),
  /** A run waits until nothing has been dropped for this long. */
  quietPeriodSeconds: z.int().min(0).max(3_600),
  /** sealed: only versions that were trained here · any: imported ones too, whose lineage is declared. */
  lineage: LineagePolicy,
  api: Api,
  /** A web ACL in front of the API: $7 a month, and by the request. */
  firewall: z
    .strictObject({ requestsPerMinuteOfAddress: z.int().min(10).max(2_000_000_000) })
    .optional(),
  cache: Cache,
  tasks: Tasks,
  /** Trainer → images that SageMaker runs. */
  trainingImages: z.strictObject({ xgboost: ImagesOfXgboost, python: ImagesOfPython }),
  /** How long the prediction log is gathered before it is written. */
  predictionLogBufferSeconds: z.int().min(0).max(900),
  /** How often the predictions are compared with the training rows. */
  driftCheckMinutes: z.int().min(1).max(1_440),
  /** Over which errors and latencies of requests are summed up for their alarms. */
  alarmPeriodMinutes: z.int().min(1).max(60),
  /**
   * Of each step that works through a data set. A young AWS account allows no more than 3,008 MB a
   * function; with a raised quota, more helps data that does not fit.
   */
  pipelineMemoryMb: z
    .int()
    .min(1_024)
    .max(10_240, { error: 'between 1,024 and 10,240 MB: Lambda has no more' })
    .default(3_008),
  logRetentionDays: z.union([z.literal(7), z.literal(30), z.literal(90), z.literal(365)]),
  /** What its native libraries are built for. */
  platform: z.strictObject({ os: z.enum(['linux', 'darwin']), cpu: z.enum(['x64', 'arm64']) }),
});
export type Environment = z.infer<typeof Environment>;

type Variables = Readonly<Record<string, string | undefined>>;

const wheelsOf = (name: string) => join(import.meta.dirname, '..', '.slipway', 'wheels', name);

/**
 * SageMaker's images of PyTorch, taken for their Python, pip and NVIDIA libraries:
 * `<PyTorch>-<cpu|gpu>-py<Python>[-<CUDA>]-<Ubuntu>-sagemaker`, as AWS lists them at
 * https://aws.github.io/deep-learning-containers/. Change Python or Ubuntu only together with the wheels'
 * platform in bin/setup.mjs.
 */
const cpuOnAws = {
  deepLearningContainer: 'pytorch-training:2.9.0-cpu-py312-ubuntu22.04-sagemaker',
};
const gpuOnAws = {
  deepLearningContainer: 'pytorch-training:2.9.0-gpu-py312-cu130-ubuntu22.04-sagemaker',
};
/** Its inference toolkit runs code/inference.py of a model's archive. Its Python is the trainer's: pickles need that. */
const servingOnAws = {
  deepLearningContainer: 'pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker',
};
const imagesOnAws = {
  xgboost: {
    cpu: { ...cpuOnAws, wheels: wheelsOf('xgboost') },
    gpu: { ...gpuOnAws, wheels: wheelsOf('xgboost-gpu') },
    gpuDevice: 'cuda',
  },
  python: { kind: 'images', cpu: cpuOnAws, gpu: gpuOnAws, serving: servingOnAws },
};

/** Of a tag that moves ECS takes the newest image at each deployment, and the same for all of its tasks. */
const tasks = {
  node: 'public.ecr.aws/docker/library/node:24-bookworm-slim',
  awsCli: 'public.ecr.aws/aws-cli/aws-cli:2.22.35',
};

/** A laptop trains a model for a GPU as well, on its CPU. */
const imagesOnLaptop = (image: string | undefined) => ({
  xgboost: { cpu: { image }, gpu: { image }, gpuDevice: 'cpu' },
  python: { kind: 'environments' },
});

function onAws(name: 'dev' | 'staging' | 'prod', variables: Variables): unknown {
  const region = variables['AWS_REGION'] ?? variables['CDK_DEFAULT_REGION'] ?? 'eu-west-1';
  return {
    name,
    region,
    quietPeriodSeconds: 30,
    lineage: name === 'prod' ? 'sealed' : 'any',
    api: { auth: 'iam' },
    ...(name === 'prod' ? { firewall: { requestsPerMinuteOfAddress: 12_000 } } : {}),
    cache: { kind: 'elasticache' },
    tasks,
    trainingImages: imagesOnAws,
    predictionLogBufferSeconds: 300,
    driftCheckMinutes: 60,
    alarmPeriodMinutes: 5,
    logRetentionDays: name === 'prod' ? 365 : 30,
    platform: { os: 'linux', cpu: 'x64' },
  };
}

/** `<host>:<port>` of the cache that a laptop cloud has started, if it has. */
function laptopCache(address: string | undefined): unknown {
  if (!address) return { kind: 'memory' };
  const at = address.lastIndexOf(':');
  return { kind: 'address', host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}

const environments: Record<Environment['name'], (variables: Variables) => unknown> = {
  local: (variables) => ({
    name: 'local',
    region: variables['AWS_REGION'] ?? 'us-east-1',
    quietPeriodSeconds: 30,
    lineage: 'any',
    api: {
      auth: 'jwt',
      issuer: variables['SLIPWAY_LOCAL_JWT_ISSUER'],
      jwksUri: variables['SLIPWAY_LOCAL_JWKS_URI'],
      audience: 'slipway',
      callerLimit: { requestsPerSecond: 500, burst: 1_000 },
    },
    cache: laptopCache(variables['SLIPWAY_LOCAL_CACHE']),
    tasks,
    trainingImages: imagesOnLaptop(variables['SLIPWAY_LOCAL_TRAINING_IMAGE']),
    predictionLogBufferSeconds: 5,
    driftCheckMinutes: 1,
    alarmPeriodMinutes: 1,
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
  const asked = variables['SLIPWAY_ENVIRONMENT'] ?? 'local';
  const what = `the environment '${asked}' (config/environments.ts)`;
  // Of an environment that there is not, only the name is wrong.
  const { name } = parseDocument(Environment.pick({ name: true }), { name: asked }, what);
  return parseDocument(Environment, environments[name](variables), what);
}
