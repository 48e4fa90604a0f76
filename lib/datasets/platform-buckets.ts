import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

const shared = {
  encryption: BucketEncryption.S3_MANAGED,
  enforceSSL: true,
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
};

/** The platform's buckets: data, artifacts and the log of who reached into them. */
export class PlatformBuckets extends Construct {
  /** landing, labels, snapshots, features, predictions, reports, quarantine; announces new objects. */
  readonly data: Bucket;
  /** models, jobs, checkpoints. */
  readonly artifacts: Bucket;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const accessLogs = new Bucket(this, 'AccessLogs', {
      ...shared,
      lifecycleRules: [{ expiration: Duration.days(90) }],
    });
    this.data = new Bucket(this, 'Data', {
      ...shared,
      versioned: true,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'data/',
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(7) }],
    });
    // Through the L1: the L2's way is a custom resource with a Lambda function of its own.
    (this.data.node.defaultChild as CfnBucket).notificationConfiguration = {
      eventBridgeConfiguration: { eventBridgeEnabled: true },
    };
    // What was dropped stays provable: a deletion leaves its versions behind.
    this.data.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LandingKeepsItsVersions',
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ['s3:DeleteObjectVersion'],
        resources: [this.data.arnForObjects('landing/*')],
      }),
    );
    this.artifacts = new Bucket(this, 'Artifacts', {
      ...shared,
      versioned: true,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'artifacts/',
      lifecycleRules: [
        { abortIncompleteMultipartUploadAfter: Duration.days(7) },
        // A run removes them when it ends; these are the ones of runs that never did.
        ...['jobs/', 'checkpoints/'].map((prefix) => ({
          prefix,
          expiration: Duration.days(30),
          noncurrentVersionExpiration: Duration.days(1),
        })),
      ],
    });
  }
}
