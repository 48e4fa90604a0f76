import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { CfnService } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { ServingMetrics } from '../../core/inference/serving-metrics.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import type { EcsServing } from '../../core/model/serving-section.ts';
import type { TaskHostingAccess } from './task-hosting.ts';

interface Scaled {
  readonly model: ModelDefinition;
  readonly serving: EcsServing;
  readonly hosting: TaskHostingAccess;
}

/**
 * As many tasks as keep what waits in each far enough below the limit of the model. The processor says less: it is
 * as busy with one request in a hurry as with a queue that nobody waits for.
 */
export function scaleByQueue(
  scope: Construct,
  { hosting, model, serving }: Scaled,
  service: CfnService,
): void {
  const target = new CfnScalableTarget(scope, 'Tasks', {
    serviceNamespace: 'ecs',
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: `service/${hosting.cluster.clusterName}/${service.attrName}`,
    minCapacity: serving.minimumTasks,
    maxCapacity: serving.maximumTasks,
  });
  new CfnScalingPolicy(scope, 'ByQueue', {
    policyName: `${model.name}-queue`,
    policyType: 'TargetTrackingScaling',
    scalingTargetId: target.ref,
    targetTrackingScalingPolicyConfiguration: {
      customizedMetricSpecification: {
        namespace: 'Slipway',
        metricName: ServingMetrics.queuedWorkMs,
        dimensions: [{ name: 'Model', value: model.name }],
        // Each task reports its own queue, so that the mean is what waits in one of them.
        statistic: 'Average',
      },
      // A mean over a minute hides its peaks, and a new task takes about as long to come.
      targetValue: serving.queueLimitMs / 2,
      scaleOutCooldown: 30,
      scaleInCooldown: 300,
    },
  });
}
