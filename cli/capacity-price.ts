// What is kept ready by a scaling costs: the tasks that there are at least, and warm environments of functions.
import { usdPerFargateMs } from '../core/inference/measurement.ts';
import { hoursPerMonth, type PricedItem, type TemplateResource, usd } from './list-prices.ts';

type Resources = Readonly<Record<string, TemplateResource>>;
type Properties = Readonly<Record<string, unknown>>;

const msPerMonth = hoursPerMonth * 3_600_000;

/**
 * Of an environment that stands ready, x86, in us-east-1 on 2026-11-25, in $ a gigabyte and second:
 * https://aws.amazon.com/lambda/pricing/
 */
const provisionedGbSecond = 0.000_004_166_7;

/** A target tracking makes two alarms by itself: one to grow, one to shrink. */
const alarmsOfTracking = 2;

const ofType = (resources: Resources, type: string): readonly Properties[] =>
  Object.values(resources)
    .filter(({ Type }) => Type === type)
    .map(({ Properties = {} }) => Properties);

function taskItems(stack: string, resources: Resources, { MinCapacity }: Properties): PricedItem[] {
  const [task] = ofType(resources, 'AWS::ECS::TaskDefinition');
  const count = Number(MinCapacity);
  const vcpu = Number(task?.['Cpu']) / 1_024;
  const memoryMb = Number(task?.['Memory']);
  const isPublic = JSON.stringify(ofType(resources, 'AWS::ECS::Service')).includes(
    '"AssignPublicIp":"ENABLED"',
  );
  const tracking = ofType(resources, 'AWS::ApplicationAutoScaling::ScalingPolicy').filter(
    ({ PolicyType }) => PolicyType === 'TargetTrackingScaling',
  );
  const item = (what: string, pieces: number, each: number): PricedItem[] =>
    pieces === 0 ? [] : [{ stack, what, count: pieces, usdPerMonth: pieces * each }];
  return [
    ...item(
      `tasks of ${vcpu} vCPU and ${memoryMb} MB, the fewest there are`,
      count,
      usdPerFargateMs(vcpu, memoryMb) * msPerMonth,
    ),
    ...item('public addresses of tasks', isPublic ? count : 0, usd.publicAddress),
    ...item("alarms of the tasks' scaling", tracking.length * alarmsOfTracking, usd.alarmMetric),
    ...item('metrics of the queue', tracking.length, usd.customMetric),
  ];
}

/** As if there were always as many as at the schedule's greatest hour: at most this. */
function warmItem(stack: string, resources: Resources, { MaxCapacity }: Properties): PricedItem {
  const named = ofType(resources, 'AWS::Lambda::Alias').map(
    ({ FunctionName }) => (FunctionName as { Ref?: string }).Ref ?? '',
  );
  const memoryMb = Math.max(
    ...named.map((id) => Number(resources[id]?.Properties?.['MemorySize'] ?? 0)),
  );
  const count = Number(MaxCapacity);
  const each = (memoryMb / 1_024) * provisionedGbSecond * (msPerMonth / 1_000);
  const what = 'warm environments of a function, if they were there all month';
  return { stack, what, count, usdPerMonth: count * each };
}

/** What a stack's scalings keep ready. */
export function capacityItems(stack: string, resources: Resources): PricedItem[] {
  return ofType(resources, 'AWS::ApplicationAutoScaling::ScalableTarget').flatMap((target) =>
    target['ServiceNamespace'] === 'ecs'
      ? taskItems(stack, resources, target)
      : [warmItem(stack, resources, target)],
  );
}
