import { Construct } from 'constructs';
import { PromoteVersionEnvironment } from '../../lambdas/delivery/promote-version.contract.ts';
import { StageVersionEnvironment } from '../../lambdas/delivery/stage-version.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { grantRegistry, type ModelContext } from '../runtime/model-context.ts';

/** The pipeline's steps on the deployment ledger: staged, then live. */
export class DeliverySteps extends Construct {
  readonly stageVersion: HandlerFunction<typeof StageVersionEnvironment>;
  readonly promoteVersion: HandlerFunction<typeof PromoteVersionEnvironment>;

  constructor(scope: Construct, id: string, context: ModelContext) {
    super(scope, id);
    const environment = {
      REGISTRY_TABLE: context.registry.tableName,
      MODEL_NAME: context.model.name,
    };
    this.stageVersion = new HandlerFunction(this, 'StageVersion', {
      ...context,
      entry: 'delivery/stage-version',
      contract: StageVersionEnvironment,
      environment: { ...environment, APPROVAL: context.model.delivery.approval },
    });
    this.promoteVersion = new HandlerFunction(this, 'PromoteVersion', {
      ...context,
      entry: 'delivery/promote-version',
      contract: PromoteVersionEnvironment,
      environment,
    });
    grantRegistry(this.stageVersion, context.registry, 'write');
    grantRegistry(this.promoteVersion, context.registry, 'write');
  }
}
