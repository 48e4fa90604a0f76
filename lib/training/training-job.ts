import { join } from 'node:path';
import { TrainingInstanceType } from '@aws-sdk/client-sagemaker';
import { Stack } from 'aws-cdk-lib';
import {
  type IGrantable,
  type IRole,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { CustomState } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct, type IConstruct } from 'constructs';
import { hashOf } from '../../core/canonical-json.ts';
import { InvalidDocumentError } from '../../core/parse-document.ts';
import { grantImagePull } from '../runtime/image-pull.ts';
import { grantListing, grantObjects, type ModelContext } from '../runtime/model-context.ts';
import { explainWildcard } from '../runtime/waivers.ts';
import { type OwnPython, programAsset } from './own-python.ts';
import { checkedWheels, imageAddress, imageFor, type TrainingImages } from './training-image.ts';

export interface TrainingJobProps extends ModelContext {
  readonly trainingImages: TrainingImages;
  /** Only of a model with its own train.py. */
  readonly ownPython?: OwnPython | undefined;
}

const trainerCode = join(import.meta.dirname, '..', '..', 'containers', 'trainers', 'src');

/**
 * Python runs a zip as it is; SageMaker puts the channel's one object into the channel's folder. The
 * program installs the wheels itself, because SageMaker takes 256 characters for an argument here.
 */
const entrypoint = ['sh', '-c', 'exec python3 /opt/ml/input/data/code/*.zip train'];

/** @throws InvalidDocumentError where SageMaker has no such instance for a training, naming those it has of the family. */
function refuseUnknownInstanceType(type: string, model: string): void {
  const known: readonly string[] = Object.values(TrainingInstanceType);
  if (known.includes(type)) return;
  const family = type.slice(0, type.lastIndexOf('.') + 1);
  const relatives = known.filter((name) => name.startsWith(family));
  throw new InvalidDocumentError(`the model ${model}`, [
    `training.instanceType: SageMaker trains on ${relatives.length > 0 ? relatives.join(', ') : `no type of the family ${family.slice(0, -1)}; use one as in ml.m5.xlarge`} (received "${type}")`,
  ]);
}

/** A SageMaker training job as a state: spot, checkpoints, no network, our code in a channel. */
export class TrainingJob extends Construct {
  /** Hash of the trainer's code, of the wheels it brings and of the model's own: part of a training's identity. */
  readonly trainerSha256: string;
  /** Address of the image. */
  readonly image: string;
  /** What the trainer computes on. */
  readonly device: 'cpu' | 'cuda';
  readonly jobRole: IRole;
  /** Channel → what lies in it. */
  private readonly assets: Readonly<Record<string, Asset>>;
  private readonly props: TrainingJobProps;

  constructor(scope: Construct, id: string, props: TrainingJobProps) {
    super(scope, id);
    this.props = props;
    const { instanceType } = props.model.training;
    refuseUnknownInstanceType(instanceType, props.model.name);
    const { device, wheels, ...image } = imageFor(instanceType, props.trainingImages);
    this.device = device;
    this.image = imageAddress(image, Stack.of(this).region);
    this.assets = this.createAssets(wheels);
    const { code, ...brought } = Object.fromEntries(
      Object.entries(this.assets).map(([channel, { assetHash }]) => [channel, assetHash]),
    );
    // Hashes of before there was more than the code stay what they were.
    this.trainerSha256 =
      Object.keys(brought).length > 0 ? hashOf({ code, ...brought }) : String(code);
    this.jobRole = this.createJobRole();
  }

  private createAssets(wheels: string | undefined): Record<string, Asset> {
    const { model, ownPython } = this.props;
    return {
      code: new Asset(this, 'TrainerCode', { path: trainerCode, exclude: ['**/__pycache__'] }),
      ...(wheels && { wheels: new Asset(this, 'TrainerWheels', { path: checkedWheels(wheels) }) }),
      ...(ownPython && { program: programAsset(this, ownPython, model.name) }),
    };
  }

  /** What SageMaker may do in the job's name. */
  private createJobRole(): Role {
    const { artifacts, data, model } = this.props;
    const role = new Role(this, 'JobRole', {
      assumedBy: new ServicePrincipal('sagemaker.amazonaws.com'),
    });
    const { region, account, partition } = Stack.of(this);
    const own = [`jobs/${model.name}/`, `checkpoints/${model.name}/`];
    const imports = [`imports/${model.name}/`];
    grantObjects(role, artifacts, ['read'], imports);
    grantObjects(role, data, ['read'], [`features/${model.name}/`]);
    grantListing(role, data, [`features/${model.name}/`]);
    grantObjects(role, artifacts, ['read', 'write', 'delete'], own);
    grantListing(role, artifacts, [...own, ...imports]);
    for (const asset of Object.values(this.assets)) {
      role.addToPolicy(
        new PolicyStatement({
          actions: ['s3:GetObject'],
          resources: [asset.bucket.arnForObjects(asset.s3ObjectKey)],
        }),
      );
      grantListing(role, asset.bucket, [asset.s3ObjectKey]);
    }
    grantImagePull(role, this.image);
    explainWildcard(
      role,
      ':/aws/sagemaker/TrainingJobs:*',
      "SageMaker names the job's log streams",
    );
    explainWildcard(
      role,
      'Resource::*',
      'PutMetricData and GetAuthorizationToken know no resources; the namespace is fixed',
    );
    role.addToPolicy(
      new PolicyStatement({
        actions: [
          'logs:CreateLogGroup',
          'logs:CreateLogStream',
          'logs:PutLogEvents',
          'logs:DescribeLogStreams',
        ],
        resources: [
          `arn:${partition}:logs:${region}:${account}:log-group:/aws/sagemaker/TrainingJobs:*`,
        ],
      }),
    );
    role.addToPolicy(
      new PolicyStatement({
        actions: ['cloudwatch:PutMetricData'],
        resources: ['*'],
        conditions: { StringEquals: { 'cloudwatch:namespace': '/aws/sagemaker/TrainingJobs' } },
      }),
    );
    return role;
  }

  /** The state. It reads $.plan and $.features and leaves the finished job's description at $.train. */
  state(id: string): CustomState {
    return this.job(id, [
      channel('train', { 'S3Uri.$': '$.features.trainUri' }),
      channel('validation', { 'S3Uri.$': '$.features.validationUri' }),
    ]);
  }

  /**
   * The same with the file that $.import names in the place of rows: what is unpickled is unpickled in the
   * job, which has no network and no role but to read its channels.
   */
  importState(id: string): CustomState {
    const uri = `States.Format('s3://${this.props.artifacts.bucketName}/{}', $.import.key)`;
    return this.job(id, [channel('import', { 'S3Uri.$': uri })]);
  }

  private job(id: string, inputs: readonly Channel[]): CustomState {
    return new CustomState(this, id, {
      stateJson: {
        Type: 'Task',
        Resource: 'arn:aws:states:::sagemaker:createTrainingJob.sync',
        Parameters: this.request(inputs),
        ResultSelector: {
          'TrainingJobName.$': '$.TrainingJobName',
          'TrainingJobStatus.$': '$.TrainingJobStatus',
          'ModelArtifacts.$': '$.ModelArtifacts.S3ModelArtifacts',
        },
        ResultPath: '$.train',
        // Throttled requests created nothing, so the job's name is still free.
        Retry: [
          {
            ErrorEquals: ['SageMaker.AmazonSageMakerException'],
            IntervalSeconds: 5,
            BackoffRate: 2,
            MaxAttempts: 4,
          },
        ],
      },
    });
  }

  private request(inputs: readonly Channel[]): Record<string, unknown> {
    const { training } = this.props.model;
    return {
      'TrainingJobName.$': '$.plan.trainingJobName',
      AlgorithmSpecification: {
        TrainingImage: this.image,
        TrainingInputMode: 'File',
        ContainerEntrypoint: entrypoint,
        MetricDefinitions: ['train', 'validation'].map((channel) => ({
          Name: `${channel}:loss`,
          Regex: `${channel}-(?:logloss|rmse)=([0-9.eE+-]+)`,
        })),
      },
      'HyperParameters.$': '$.plan.hyperparameters',
      RoleArn: this.jobRole.roleArn,
      InputDataConfig: [
        ...inputs,
        channel('features', { 'S3Uri.$': '$.features.featuresUri' }),
        ...Object.entries(this.assets).map(([name, { s3ObjectUrl }]) =>
          channel(name, { S3Uri: s3ObjectUrl }),
        ),
      ],
      OutputDataConfig: { 'S3OutputPath.$': '$.plan.outputUri', CompressionType: 'NONE' },
      CheckpointConfig: { 'S3Uri.$': '$.plan.checkpointUri' },
      ResourceConfig: {
        InstanceType: training.instanceType,
        InstanceCount: 1,
        VolumeSizeInGB: training.volumeSizeInGb,
      },
      EnableManagedSpotTraining: training.spot,
      StoppingCondition: {
        MaxRuntimeInSeconds: training.maxRuntimeSeconds,
        ...(training.spot ? { MaxWaitTimeInSeconds: training.maxWaitSeconds } : {}),
      },
      EnableNetworkIsolation: true,
      EnableInterContainerTrafficEncryption: false,
      Tags: [{ Key: 'slipway:model', Value: this.props.model.name }],
    };
  }

  /** Lets Step Functions run the state: CDK writes no policy for a CustomState. */
  grantRun(role: IRole): void {
    const { region, account, partition } = Stack.of(this);
    const { name } = this.props.model;
    const statements = [
      new PolicyStatement({
        actions: [
          'sagemaker:CreateTrainingJob',
          'sagemaker:DescribeTrainingJob',
          'sagemaker:StopTrainingJob',
          'sagemaker:AddTags',
          'sagemaker:ListTags',
        ],
        resources: [trainingJobsArn(this, name)],
      }),
      new PolicyStatement({
        actions: ['iam:PassRole'],
        resources: [this.jobRole.roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } },
      }),
      new PolicyStatement({
        actions: ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'],
        resources: [
          `arn:${partition}:events:${region}:${account}:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule`,
        ],
      }),
    ];
    for (const statement of statements) role.addToPrincipalPolicy(statement);
  }
}

const channel = (name: string, uri: Record<string, string>) => ({
  ChannelName: name,
  InputMode: 'File',
  DataSource: {
    S3DataSource: { S3DataType: 'S3Prefix', S3DataDistributionType: 'FullyReplicated', ...uri },
  },
});

type Channel = ReturnType<typeof channel>;

/** <model>-<8 hex>-<6 hex>: of this length, so that jobs of a model called <model>-eu are not meant. */
function trainingJobsArn(scope: IConstruct, model: string): string {
  const { region, account, partition } = Stack.of(scope);
  return `arn:${partition}:sagemaker:${region}:${account}:training-job/${model}-????????-??????`;
}

/** Lets a function see what a model's training jobs cost. */
export function grantJobCosts(grantee: IGrantable & IConstruct, model: string): void {
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['sagemaker:DescribeTrainingJob'],
      resources: [trainingJobsArn(grantee, model)],
    }),
  );
}
