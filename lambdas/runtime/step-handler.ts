import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import type * as z from 'zod';
import { errorFields, log } from '../../adapters/structured-log.ts';
import { parseDocument } from '../../core/parse-document.ts';

interface StepContract<Event extends z.ZodType, Result extends z.ZodType> {
  readonly event: Event;
  readonly result: Result;
  /** What the log of a failure has of the event. @default all of it */
  readonly shown?: (event: unknown) => unknown;
}

/**
 * A function that a state machine, a rule or a person invokes. Its event and its result are checked
 * against the contract; a failure is logged and thrown under its own name, which states match on.
 * @throws InvalidDocumentError when event or result do not have the contract's form.
 */
export function stepHandler<Event extends z.ZodType, Result extends z.ZodType>(
  contract: StepContract<Event, Result>,
  use: (event: z.infer<Event>, context: Context) => Promise<z.input<Result>>,
) {
  const handle = async (event: unknown, context: Context): Promise<z.infer<Result>> => {
    const startedAt = performance.now();
    const input = parseDocument(contract.event, event, 'the event of this step');
    const result = parseDocument(
      contract.result,
      await use(input, context),
      'the result of this step',
    );
    log('info', 'step finished', {
      requestId: context.awsRequestId,
      function: context.functionName,
      durationMs: Math.round(performance.now() - startedAt),
      // A text is a page for somebody, and too long for a log.
      result: typeof result === 'string' ? `${result.length} characters` : result,
    });
    return result;
  };
  return middy(handle).use({
    onError: ({ error, event, context }) => {
      log('error', 'step failed', {
        requestId: context.awsRequestId,
        function: context.functionName,
        event: contract.shown ? contract.shown(event) : event,
        ...errorFields(error),
      });
    },
  });
}
