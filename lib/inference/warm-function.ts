import { TimeZone } from 'aws-cdk-lib';
import { Schedule } from 'aws-cdk-lib/aws-applicationautoscaling';
import { Alias, type IFunction, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { ServingSection } from '../../core/model/serving-section.ts';

const aliasName = 'warm';

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
  const alias = new Alias(scope, 'Warm', { aliasName, version: predict.currentVersion });
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
  // By the function's address and a name: a reference to the alias would be an export that cannot go with it.
  return LambdaFunction.fromFunctionAttributes(scope, 'Warmed', {
    functionArn: `${predict.functionArn}:${aliasName}`,
    sameEnvironment: true,
  });
}
