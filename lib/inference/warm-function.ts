import { TimeZone } from 'aws-cdk-lib';
import { Schedule } from 'aws-cdk-lib/aws-applicationautoscaling';
import { Alias, type IFunction, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { ServingSection } from '../../core/model/serving-section.ts';

/**
 * What API Gateway asks: the function, or an alias of its newest version, of which environments stand ready by
 * the model's schedule. A function without a schedule has neither versions nor alias.
 */
export function keptWarm(
  scope: Construct,
  predict: LambdaFunction,
  serving: ServingSection,
): IFunction {
  const times = serving.target === 'lambda' ? serving.provisionedConcurrency : undefined;
  if (!times) return predict;
  const alias = new Alias(scope, 'Warm', { aliasName: 'warm', version: predict.currentVersion });
  const most = Math.max(...times.map(({ executions }) => executions));
  // Until the first time on the schedule there are none.
  const target = alias.addAutoScaling({ minCapacity: 0, maxCapacity: most });
  for (const [place, { cron, timezone, executions }] of times.entries()) {
    target.scaleOnSchedule(`From${place}`, {
      schedule: Schedule.expression(`cron(${cron})`),
      timeZone: TimeZone.of(timezone),
      minCapacity: executions,
      maxCapacity: executions,
    });
  }
  return alias;
}
