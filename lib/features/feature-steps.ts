import { Duration, Size } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { BuildFeaturesEnvironment } from '../../lambdas/features/build-features.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { grantListing, grantObjects, type ModelContext } from '../runtime/model-context.ts';

/** The pipeline's step that turns a snapshot into training and holdout features. */
export class FeatureSteps extends Construct {
  readonly buildFeatures: HandlerFunction<typeof BuildFeaturesEnvironment>;

  constructor(scope: Construct, id: string, context: ModelContext) {
    super(scope, id);
    const { data, model } = context;
    this.buildFeatures = new HandlerFunction(this, 'BuildFeatures', {
      ...context,
      entry: 'features/build-features',
      contract: BuildFeaturesEnvironment,
      layers: [context.duckdb],
      memoryMb: context.pipelineMemoryMb,
      timeout: Duration.minutes(15),
      temporaryStorage: Size.gibibytes(10),
      environment: { DATA_BUCKET: data.bucketName },
    });
    const prefixes = [
      `landing/${model.name}/`,
      `snapshots/${model.name}/`,
      `features/${model.name}/`,
    ];
    grantListing(this.buildFeatures, data, [`features/${model.name}/`]);
    grantObjects(this.buildFeatures, data, ['read'], prefixes);
    grantObjects(this.buildFeatures, data, ['write'], [`features/${model.name}/`]);
  }
}
