import { expect, it } from 'vitest';
import { output, run } from './functions.ts';
import { gapTest, useCloud } from './harness.ts';

const cloud = useCloud();
const pass = (parameters: object) => ({
  StartAt: 'Only',
  States: { Only: { Type: 'Pass', Parameters: parameters, End: true } },
});
const choice = (rule: object) => ({
  StartAt: 'Choose',
  States: {
    Choose: { Type: 'Choice', Choices: [{ ...rule, Next: 'Yes' }], Default: 'No' },
    Yes: { Type: 'Pass', Result: 'yes', End: true },
    No: { Type: 'Pass', Result: 'no', End: true },
  },
});

gapTest('a path that leads nowhere fails the execution and is named', async () => {
  for (const definition of [
    pass({ 'value.$': '$.model.nmae' }),
    pass({ nested: [{ 'value.$': '$.model.nmae' }] }),
    pass({ 'value.$': "States.Format('{}', $.model.nmae)" }),
    choice({ Variable: '$.model.nmae', StringEquals: 'x' }),
  ]) {
    const execution = await run(cloud(), definition, { model: { name: 'flights' } });
    expect(execution).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
    expect(execution.cause).toContain("'$.model.nmae'");
  }
});

gapTest('States.Format writes values as JSON does', async () => {
  const execution = await run(
    cloud(),
    pass({ 'text.$': "States.Format('{} {} {} \\{\\}', $.yes, $.list, $.name)" }),
    { yes: true, list: [1, 'a'], name: 'n' },
  );
  expect(output(execution).text).toBe('true [1,"a"] n {}');
});

gapTest('a present null is present', async () => {
  const execution = await run(cloud(), choice({ Variable: '$.x', IsPresent: true }), { x: null });
  expect(output(execution)).toBe('yes');
});

gapTest('compares with paths in every operator', async () => {
  const execution = await run(cloud(), choice({ Variable: '$.a', StringLessThanPath: '$.b' }), {
    a: 'a',
    b: 'b',
  });
  expect(output(execution)).toBe('yes');
});

it('guards a missing value with IsPresent', async () => {
  const rule = {
    And: [
      { Variable: '$.x', IsPresent: true },
      { Variable: '$.x.y', NumericGreaterThan: 3 },
    ],
  };
  expect(output(await run(cloud(), choice(rule), {}))).toBe('no');
  expect(output(await run(cloud(), choice(rule), { x: { y: 4 } }))).toBe('yes');
});

it('resolves intrinsic functions and the context object', async () => {
  const execution = await run(
    cloud(),
    pass({
      'json.$': 'States.JsonToString($.object)',
      'back.$': 'States.StringToJson($.text)',
      'name.$': '$$.Execution.Name',
      'retries.$': '$$.State.RetryCount',
      'started.$': '$$.Execution.StartTime',
    }),
    { object: { a: [1] }, text: '{"b":2}' },
  );
  expect(output(execution)).toEqual({
    json: '{"a":[1]}',
    back: { b: 2 },
    name: execution.name,
    retries: 0,
    started: execution.startDate?.toISOString(),
  });
});

it('waits for as long, and until when, the input says', async () => {
  const execution = await run(
    cloud(),
    {
      StartAt: 'For',
      States: {
        For: { Type: 'Wait', SecondsPath: '$.seconds', Next: 'Until' },
        Until: { Type: 'Wait', TimestampPath: '$.until', End: true },
      },
    },
    { seconds: 1, until: new Date(Date.now() + 2000).toISOString() },
  );
  expect(Number(execution.stopDate) - Number(execution.startDate)).toBeGreaterThan(1500);
});
