import { Stack, type StackProps } from 'aws-cdk-lib';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { InferenceApi, type InferenceApiProps } from '../inference/inference-api.ts';

export interface ApiStackProps extends StackProps, InferenceApiProps {}

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
