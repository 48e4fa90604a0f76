import { Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';
import { grantListing, grantObjects, type ModelContext } from './model-context.ts';

/** Endpoints are called as the training job of their version: <model>-<8 hex>-<6 hex>. */
export function endpointArn(scope: IConstruct, kind: string, model: string): string {
  const { account, partition, region } = Stack.of(scope);
  return `arn:${partition}:sagemaker:${region}:${account}:${kind}/${model}-????????-??????`;
}

/** Lets a function do some things to some resources. */
export const grantActions = (grantee: IGrantable, actions: string[], resources: string[]): void => {
  grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources }));
};

/**
 * Lets a function ask a model's endpoints. Every model's may: a version that a container answers can be live
 * when model.ts says something else already.
 */
export function grantEndpointUse(grantee: IGrantable & IConstruct, model: string): void {
  grantActions(grantee, ['sagemaker:InvokeEndpoint'], [endpointArn(grantee, 'endpoint', model)]);
}

/** Lets a function delete a model's endpoints with what belongs to them. */
export function grantEndpointRemoval(
  grantee: IGrantable & IConstruct,
  { artifacts, model: { name } }: Pick<ModelContext, 'artifacts' | 'model'>,
): void {
  const arn = (kind: string) => [endpointArn(grantee, kind, name)];
  grantActions(grantee, ['sagemaker:DeleteEndpoint'], arn('endpoint'));
  grantActions(grantee, ['sagemaker:DeleteEndpointConfig'], arn('endpoint-config'));
  grantActions(grantee, ['sagemaker:DeleteModel'], arn('model'));
  grantListing(grantee, artifacts, [`endpoints/${name}/`]);
  grantObjects(grantee, artifacts, ['delete'], [`endpoints/${name}/`]);
}
