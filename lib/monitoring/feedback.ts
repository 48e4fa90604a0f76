import { Construct } from 'constructs';
import { ReceiveFeedbackEnvironment } from '../../lambdas/monitoring/receive-feedback.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { grantObjects, type ModelContext } from '../runtime/model-context.ts';

/** Takes what turned out to be true about predictions: labels/<model>/…. */
export class Feedback extends Construct {
  readonly receiveFeedback: HandlerFunction<typeof ReceiveFeedbackEnvironment>;

  constructor(scope: Construct, id: string, context: ModelContext) {
    super(scope, id);
    this.receiveFeedback = new HandlerFunction(this, 'ReceiveFeedback', {
      ...context,
      entry: 'monitoring/receive-feedback',
      contract: ReceiveFeedbackEnvironment,
      environment: { MODEL_NAME: context.model.name, DATA_BUCKET: context.data.bucketName },
    });
    grantObjects(this.receiveFeedback, context.data, ['write'], [`labels/${context.model.name}/`]);
  }
}
