import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { RegisterVersionEnvironment } from '../../lambdas/registry/register-version.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantListing,
  grantObjects,
  grantRegistry,
  grantVerdicts,
  type ModelContext,
} from '../runtime/model-context.ts';

export interface RegistryStepsProps extends ModelContext {
  readonly trainerSha256: string;
  readonly trainingImage: string;
}

/** The pipeline's step that seals a candidate's lineage and makes it a version. */
export class RegistrySteps extends Construct {
  readonly registerVersion: HandlerFunction<typeof RegisterVersionEnvironment>;

  constructor(scope: Construct, id: string, props: RegistryStepsProps) {
    super(scope, id);
    const { artifacts, data, model, registry } = props;
    this.registerVersion = new HandlerFunction(this, 'RegisterVersion', {
      ...props,
      entry: 'registry/register-version',
      contract: RegisterVersionEnvironment,
      memoryMb: 1_024,
      timeout: Duration.minutes(10),
      environment: {
        DATA_BUCKET: data.bucketName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
        REGISTRY_TABLE: registry.tableName,
        TRAINER_SHA256: props.trainerSha256,
        TRAINING_IMAGE: props.trainingImage,
      },
    });
    const { name } = model;
    const candidates = [`jobs/${name}/`, `models/${name}/`, `imports/${name}/`];
    grantListing(this.registerVersion, artifacts, candidates);
    grantObjects(this.registerVersion, artifacts, ['read'], candidates);
    grantObjects(this.registerVersion, artifacts, ['write'], [`models/${name}/`]);
    grantListing(this.registerVersion, data, [`features/${name}/`, `snapshots/${name}/`]);
    grantObjects(this.registerVersion, data, ['read'], [`features/${name}/`, `snapshots/${name}/`]);
    grantVerdicts(this.registerVersion, props);
    grantRegistry(this.registerVersion, registry, 'write');
  }
}
