// Tensors as raw bytes, little-endian:
// https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
import { utf8Text } from '../body-text.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import type { Prediction } from '../predict.ts';
import { type Datatype, isNumberDatatype, numberTypes, type TensorData } from './tensor.ts';
import type { OutputName } from './v2-metadata.ts';

export const headerLengthName = 'inference-header-content-length';

const refuse = (problem: string): never => {
  throw new InvalidRequestError([problem]);
};

/** A binary request's JSON, and the bytes of its tensors behind it. */
export interface SplitBody {
  readonly json: Uint8Array;
  readonly tensors: Uint8Array;
}

const noBytes = new Uint8Array();

/** @param headerLength what the request's header says, if it has one. @throws InvalidRequestError */
export function splitBody(body: Uint8Array, headerLength: string | undefined): SplitBody {
  if (headerLength === undefined) return { json: body, tensors: noBytes };
  const length = /^\d{1,9}$/.test(headerLength) ? Number(headerLength) : Number.NaN;
  if (!(length > 0 && length <= body.byteLength)) {
    refuse(
      `the header Inference-Header-Content-Length: send the bytes of the JSON that the body begins with, 1 to ${body.byteLength} (received '${headerLength.slice(0, 40)}')`,
    );
  }
  return { json: body.subarray(0, length), tensors: body.subarray(length) };
}

/** Hands out the bytes behind the JSON, tensor by tensor. */
export class TensorBytes {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @throws InvalidRequestError */
  take(size: unknown, called: string): Uint8Array {
    const left = this.#bytes.byteLength - this.#at;
    if (!Number.isSafeInteger(size) || (size as number) < 0 || (size as number) > left) {
      refuse(
        `${called}.parameters.binary_data_size: send the number of its bytes behind the JSON, of which ${left} are left (received ${typeof size === 'number' ? size : typeof size})`,
      );
    }
    const from = this.#at;
    this.#at += size as number;
    return this.#bytes.subarray(from, this.#at);
  }

  /** @throws InvalidRequestError where bytes are left that no tensor has asked for. */
  end(): void {
    const left = this.#bytes.byteLength - this.#at;
    if (left === 0) return;
    refuse(
      `the body has ${left} bytes behind its last tensor; send binary_data_size for each binary tensor, and Inference-Header-Content-Length`,
    );
  }
}

/** A number of 16 bits as one of 64. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

type Numbers = (buffer: ArrayBuffer) => TensorData;
const numbers =
  (View: new (buffer: ArrayBuffer) => ArrayLike<number>): Numbers =>
  (buffer) => ({ form: 'numbers', values: new View(buffer) });

const views: Record<keyof typeof numberTypes, Numbers> = {
  INT8: numbers(Int8Array),
  INT16: numbers(Int16Array),
  INT32: numbers(Int32Array),
  INT64: (buffer) => ({ form: 'integers', values: new BigInt64Array(buffer) }),
  UINT8: numbers(Uint8Array),
  UINT16: numbers(Uint16Array),
  UINT32: numbers(Uint32Array),
  UINT64: (buffer) => ({ form: 'integers', values: new BigUint64Array(buffer) }),
  FP16: (buffer) => ({
    form: 'numbers',
    values: Float32Array.from(new Uint16Array(buffer), fromHalf),
  }),
  FP32: numbers(Float32Array),
  FP64: numbers(Float64Array),
};

/** Of its own: where a tensor lies in the body is no multiple of its numbers' size, and a copy may be given away. */
function copied(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return copy.buffer;
}

/** Texts, each after its length in 4 bytes. */
function textsOf(bytes: Uint8Array, called: string): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    const length = at + 4 <= bytes.byteLength ? view.getUint32(at, true) : Number.NaN;
    if (!(at + 4 + length <= bytes.byteLength)) {
      refuse(
        `${called}[${texts.length}]: is cut off; send the length of each text in 4 bytes, little-endian, and then its bytes`,
      );
    }
    const text = utf8Text(bytes.subarray(at + 4, at + 4 + length));
    texts.push(text ?? refuse(`${called}[${texts.length}]: is not UTF-8 text; send UTF-8`));
    at += 4 + length;
  }
  return texts;
}

/** @throws InvalidRequestError */
export function binaryData(datatype: Datatype, bytes: Uint8Array, called: string): TensorData {
  if (datatype === 'BYTES') return { form: 'texts', values: textsOf(bytes, called) };
  if (!isNumberDatatype(datatype)) return { form: 'booleans', values: bytes };
  const size = numberTypes[datatype].bytes;
  if (bytes.byteLength % size !== 0) {
    refuse(
      `${called}.parameters.binary_data_size: ${datatype} has ${size} bytes a value (received ${bytes.byteLength})`,
    );
  }
  return views[datatype](copied(bytes));
}

/** An output's bytes. */
export function outputBytes(name: OutputName, { predictions, ids }: Prediction): Uint8Array {
  if (name === 'prediction') {
    const { buffer, byteOffset, byteLength } = predictions;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  // Model names, numbers and hex digits: a byte each.
  const bytes = Buffer.allocUnsafe(ids.reduce((sum, id) => sum + 4 + id.length, 0));
  let at = 0;
  for (const id of ids) {
    at = bytes.writeUInt32LE(id.length, at);
    at += bytes.write(id, at, 'latin1');
  }
  return bytes;
}
