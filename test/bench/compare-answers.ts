import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchModel } from './bench-models.ts';
import { type Form, parts } from './requests.ts';

/** Of a prediction: kernels of different builds round differently. */
export const tolerance = 1e-5;
/** Enough for a mistake to show; each costs slow servers a millisecond and more. */
const requestsCompared = 128;

/** Asks once. @throws Error where there is no answer. */
export async function ask(base: string, form: Form, rows: BenchModel['rows']): Promise<number[]> {
  const jsonLength = form.jsonLength?.(rows);
  const reply = await fetch(`${base}${form.path}`, {
    method: 'POST',
    body: new Uint8Array(form.body(rows)),
    headers: {
      'content-type': form.contentType,
      ...(jsonLength && { 'inference-header-content-length': String(jsonLength) }),
    },
  });
  const body = Buffer.from(await reply.arrayBuffer());
  if (reply.status !== 200) throw new Error(`${reply.status}: ${body.toString().slice(0, 500)}`);
  return form.answers(body, reply.headers);
}

/**
 * What a server gets wrong of a model's rows, asked in parts of that many and several at a time, so that those
 * that batch do; undefined where every answer is Python's.
 */
export async function firstDifference(
  base: string,
  form: Form,
  model: BenchModel,
  rowsPerRequest: number,
): Promise<string | undefined> {
  const asked = parts(model.rows, rowsPerRequest).slice(0, requestsCompared);
  const found: string[] = [];
  const check = async (rows: BenchModel['rows'], index: number): Promise<void> => {
    const answers = await ask(base, form, rows);
    const first = index * rowsPerRequest;
    const wrong = rows.findIndex(
      (_, i) => !(Math.abs((answers[i] ?? NaN) - (model.answers[first + i] ?? NaN)) <= tolerance),
    );
    if (answers.length !== rows.length)
      found.push(`${answers.length} answers to ${rows.length} rows`);
    else if (wrong !== -1)
      found.push(
        `row ${first + wrong}: ${answers[wrong]}, where ONNX Runtime for Python says ${model.answers[first + wrong]}`,
      );
  };
  for (let at = 0; at < asked.length && found.length === 0; at += 8) {
    await Promise.all(asked.slice(at, at + 8).map((rows, i) => check(rows, at + i)));
    await sleep(0);
  }
  return found[0];
}
