import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnDeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import { LogGroup, LogStream } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { grantListing, grantObjects, type ModelContext } from '../runtime/model-context.ts';

/** predictions/<model>/dt=…/hour=…/: JSON Lines, gathered for some seconds before they are written. */
export function predictionLog(
  scope: Construct,
  {
    data,
    model,
    logRetention,
    predictionLogBufferSeconds,
  }: ModelContext & { readonly predictionLogBufferSeconds: number },
): CfnDeliveryStream {
  const role = new Role(scope, 'PredictionLogRole', {
    assumedBy: new ServicePrincipal('firehose.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(scope).account } },
    }),
  });
  grantObjects(
    role,
    data,
    ['write'],
    [`predictions/${model.name}/`, `predictions-failed/${model.name}/`],
  );
  grantListing(role, data, [`predictions/${model.name}/`, `predictions-failed/${model.name}/`]);
  role.addToPolicy(
    new PolicyStatement({
      actions: ['s3:GetBucketLocation', 's3:ListBucketMultipartUploads'],
      resources: [data.bucketArn],
    }),
  );
  const failures = new LogGroup(scope, 'PredictionLogFailures', {
    retention: logRetention,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const { logStreamName } = new LogStream(scope, 'PredictionLogDelivery', {
    logGroup: failures,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  failures.grant(role, 'logs:PutLogEvents');
  const log = new CfnDeliveryStream(scope, 'PredictionLog', {
    deliveryStreamType: 'DirectPut',
    deliveryStreamEncryptionConfigurationInput: { keyType: 'AWS_OWNED_CMK' },
    extendedS3DestinationConfiguration: {
      bucketArn: data.bucketArn,
      roleArn: role.roleArn,
      prefix: `predictions/${model.name}/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/`,
      errorOutputPrefix: `predictions-failed/${model.name}/!{firehose:error-output-type}/`,
      bufferingHints: { intervalInSeconds: predictionLogBufferSeconds, sizeInMBs: 64 },
      compressionFormat: 'UNCOMPRESSED',
      cloudWatchLoggingOptions: {
        enabled: true,
        logGroupName: failures.logGroupName,
        logStreamName,
      },
    },
  });
  log.node.addDependency(role);
  return log;
}
