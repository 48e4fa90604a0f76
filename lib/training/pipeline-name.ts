import { ArnFormat, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/**
 * A pipeline's name and ARNs, known before it exists: its last step starts the next run, so the step and
 * the state machine need each other.
 */
export class PipelineName {
  readonly stateMachineName: string;
  readonly stateMachineArn: string;
  readonly executionsArn: string;

  constructor(scope: Construct, environment: string, model: string) {
    const stack = Stack.of(scope);
    this.stateMachineName = `slipway-${environment}-${model}`;
    const arn = (resource: string, resourceName: string) =>
      stack.formatArn({
        service: 'states',
        resource,
        resourceName,
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      });
    this.stateMachineArn = arn('stateMachine', this.stateMachineName);
    this.executionsArn = arn('execution', `${this.stateMachineName}:*`);
  }
}
