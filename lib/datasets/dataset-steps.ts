import { Duration, Size } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { QuarantineFilesEnvironment } from '../../lambdas/datasets/quarantine-files.contract.ts';
import { TakeSnapshotEnvironment } from '../../lambdas/datasets/take-snapshot.contract.ts';
import { ValidateSnapshotEnvironment } from '../../lambdas/datasets/validate-snapshot.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantListing,
  grantNotifications,
  grantObjects,
  grantRegistry,
  type ModelContext,
  notificationVariables,
} from '../runtime/model-context.ts';

/** The pipeline's steps on raw data: snapshot, validate, quarantine. */
export class DatasetSteps extends Construct {
  readonly takeSnapshot: HandlerFunction<typeof TakeSnapshotEnvironment>;
  readonly validateSnapshot: HandlerFunction<typeof ValidateSnapshotEnvironment>;
  readonly quarantineFiles: HandlerFunction<typeof QuarantineFilesEnvironment>;

  constructor(scope: Construct, id: string, context: ModelContext) {
    super(scope, id);
    const { data, model } = context;
    const { name } = model;
    const readsTables = {
      ...context,
      layers: [context.duckdb],
      memoryMb: context.pipelineMemoryMb,
      timeout: Duration.minutes(15),
      temporaryStorage: Size.gibibytes(10),
    };

    this.takeSnapshot = new HandlerFunction(this, 'TakeSnapshot', {
      ...readsTables,
      entry: 'datasets/take-snapshot',
      contract: TakeSnapshotEnvironment,
      environment: { DATA_BUCKET: data.bucketName, REGISTRY_TABLE: context.registry.tableName },
    });
    grantListing(this.takeSnapshot, data, [`landing/${name}/`, `snapshots/${name}/`]);
    grantObjects(this.takeSnapshot, data, ['read'], [`landing/${name}/`, `snapshots/${name}/`]);
    grantObjects(this.takeSnapshot, data, ['write'], [`snapshots/${name}/`]);
    grantRegistry(this.takeSnapshot, context.registry, 'write');

    this.validateSnapshot = new HandlerFunction(this, 'ValidateSnapshot', {
      ...readsTables,
      entry: 'datasets/validate-snapshot',
      contract: ValidateSnapshotEnvironment,
      environment: { DATA_BUCKET: data.bucketName },
    });
    grantListing(this.validateSnapshot, data, [`reports/${name}/`]);
    grantObjects(
      this.validateSnapshot,
      data,
      ['read'],
      [`landing/${name}/`, `snapshots/${name}/`, `reports/${name}/`],
    );
    grantObjects(this.validateSnapshot, data, ['write'], [`reports/${name}/`]);

    this.quarantineFiles = new HandlerFunction(this, 'QuarantineFiles', {
      ...context,
      entry: 'datasets/quarantine-files',
      contract: QuarantineFilesEnvironment,
      timeout: Duration.minutes(5),
      environment: {
        DATA_BUCKET: data.bucketName,
        ...notificationVariables(context),
      },
    });
    grantListing(this.quarantineFiles, data, [
      `quarantine/${name}/`,
      `landing/${name}/`,
      `reports/${name}/`,
    ]);
    grantObjects(
      this.quarantineFiles,
      data,
      ['read'],
      [`landing/${name}/`, `reports/${name}/`, `quarantine/${name}/`],
    );
    grantObjects(
      this.quarantineFiles,
      data,
      ['write'],
      [`quarantine/${name}/`, `reports/${name}/`],
    );
    grantObjects(this.quarantineFiles, data, ['delete'], [`landing/${name}/`]);
    grantNotifications(this.quarantineFiles, context);
  }
}
