import { shownValue } from './check-value.ts';
import type { Instances } from './instances.ts';
import { InvalidRequestError } from './invalid-request-error.ts';
import { parseJsonBody, writtenKeys } from './parse-json-body.ts';
import { instancesReader } from './read-instances.ts';
import type { Signature } from './signature.ts';

/** JSON.parse keeps the last of two equal keys; which one the caller meant is not ours to guess. */
export function checkKeysWrittenOnce(body: string, keys: number): void {
  if (writtenKeys(body) === keys) return;
  throw new InvalidRequestError([
    'the body has an object that names a field twice; send each field once',
  ]);
}

/** Clients of TensorFlow Serving name it; there is one. */
function checkSignatureName(name: unknown): void {
  if (name === undefined || name === 'serving_default') return;
  throw new InvalidRequestError([
    `signature_name: send "serving_default", or leave it out (received ${shownValue(name)})`,
  ]);
}

/**
 * Makes the parser of a model's `{"instances": [{…raw named fields}]}` bodies.
 * The parser throws InvalidRequestError naming instance, field, value and fix of what is wrong; values
 * of sensitive columns are not told.
 */
export function instancesParser(signature: Signature): (body: string) => Instances {
  const read = instancesReader(signature);
  const example = `{"instances": [{${signature.inputs.map(({ name }) => `"${name}": …`).join(', ')}}]}`;
  return (body) => {
    const parsed = parseJsonBody(body, 'instances', example, ['signature_name']);
    checkSignatureName(parsed['signature_name']);
    const { instances, keys } = read(parsed['instances'], 'instances');
    checkKeysWrittenOnce(body, Object.keys(parsed).length + keys);
    return instances;
  };
}
