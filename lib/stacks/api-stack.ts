import { Stack, type StackProps } from 'aws-cdk-lib';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { type CallerAuth, InferenceApi, type ModelRoutes } from '../inference/inference-api.ts';

export interface ApiStackProps extends StackProps {
  readonly environment: string;
  readonly callers: CallerAuth;
  readonly routes: readonly ModelRoutes[];
  readonly logRetention: RetentionDays;
}

/** The callers' door to all models; deployed last. */
export class ApiStack extends Stack {
  constructor(scope: Construct, id: string, props: ApiStackProps) {
    super(scope, id, props);
    const api = new InferenceApi(this, 'Inference', props);
    const parameters = { 'api-url': api.url, 'api-auth': props.callers.auth };
    for (const [name, stringValue] of Object.entries(parameters)) {
      new StringParameter(this, name, {
        parameterName: `/slipway/${props.environment}/${name}`,
        stringValue,
      });
    }
  }
}
