// Requests that are right, and what becomes of them: bytes, JSON, headers and paths changed by a seeded generator,
// so that what was found once is found again.
import { deflateSync, gzipSync } from 'node:zlib';

/** A model as its metadata describes it. */
export interface FuzzedModel {
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly datatype: string }[];
}

export interface FuzzedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 to less than 1: mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

const texts = ['a', '', 'ä€𝄞', '2026-05-31T14:30:00Z', 'x'.repeat(300), '"\\', '\u0000'];

function element(random: Random, datatype: string): unknown {
  if (datatype === 'BOOL') return random.next() < 0.5;
  if (datatype === 'BYTES') return random.pick(texts);
  return datatype.startsWith('FP') ? random.next() * 100 : random.below(100);
}

const columnsOf = (random: Random, { inputs }: FuzzedModel, rows: number) =>
  inputs.map(({ name, datatype }) => ({
    ...{ name, datatype, shape: [rows] },
    data: Array.from({ length: rows }, () => element(random, datatype)),
  }));

function bytesOf(datatype: string, values: readonly unknown[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      if (datatype === 'BYTES') {
        const text = Buffer.from(String(value));
        const length = Buffer.alloc(4);
        length.writeUInt32LE(text.length);
        return Buffer.concat([length, text]);
      }
      const bytes = Buffer.alloc({ BOOL: 1, FP32: 4 }[datatype] ?? 8);
      if (datatype === 'BOOL') bytes.writeUInt8(value ? 1 : 0);
      else if (datatype === 'FP32') bytes.writeFloatLE(Number(value));
      else if (datatype === 'FP64') bytes.writeDoubleLE(Number(value));
      else bytes.writeBigInt64LE(BigInt(value as number));
      return bytes;
    }),
  );
}

interface Form {
  readonly path: string;
  /** What is sent as JSON; a text as it is. */
  readonly json: object | string;
  readonly behind?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

const forms: readonly ((random: Random, model: FuzzedModel, rows: number) => Form)[] = [
  (random, model, rows) => ({
    path: `/v2/models/${model.name}/infer`,
    json: { id: 'f', inputs: columnsOf(random, model, rows), outputs: [{ name: 'prediction' }] },
  }),
  (random, model, rows) => ({
    path: `/v2/models/${model.name}/infer`,
    json: {
      inputs: [
        {
          ...{ name: 'instances', datatype: 'FP32', shape: [rows, 2] },
          data: Array.from({ length: rows }, () => [random.next() * 100, random.below(9)]),
        },
      ],
    },
  }),
  (random, model, rows) => {
    const tensors = columnsOf(random, model, rows);
    const parts = tensors.map(({ datatype, data }) => bytesOf(datatype, data));
    const inputs = tensors.map(({ data: _, ...input }, i) => ({
      ...input,
      parameters: { binary_data_size: parts[i]?.length },
    }));
    const parameters = { binary_data_output: random.next() < 0.5 };
    return {
      path: `/v2/models/${model.name}/infer`,
      json: { inputs, parameters },
      behind: Buffer.concat(parts),
    };
  },
  (random, model, rows) => ({
    path: `/v1/models/${model.name}:predict`,
    json: { instances: instancesOf(random, model, rows) },
  }),
  (random, model, rows) => ({
    path: '/invocations',
    json: { dataframe_records: instancesOf(random, model, rows) },
    headers: { 'x-slipway-model': model.name, 'content-type': 'application/json' },
  }),
  (random, model, rows) => {
    const data = columnsOf(random, model, rows);
    const split = {
      columns: data.map(({ name }) => name),
      data: Array.from({ length: rows }, (_, row) => data.map((column) => column.data[row])),
    };
    return {
      path: '/invocations',
      json: { dataframe_split: split },
      headers: { 'x-slipway-model': model.name },
    };
  },
  (random, model, rows) => {
    const data = columnsOf(random, model, rows);
    const quoted = (value: unknown) => `"${String(value).replaceAll('"', '""')}"`;
    const lines = Array.from({ length: rows }, (_, row) =>
      data.map(({ data: column }) => quoted(column[row])).join(','),
    );
    return {
      path: '/invocations',
      json: [data.map(({ name }) => quoted(name)).join(','), ...lines].join('\n'),
      headers: { 'x-slipway-model': model.name, 'content-type': 'text/csv' },
    };
  },
];

const instancesOf = (random: Random, { inputs }: FuzzedModel, rows: number): object[] =>
  Array.from({ length: rows }, () =>
    Object.fromEntries(inputs.map(({ name, datatype }) => [name, element(random, datatype)])),
  );

const strange: readonly unknown[] = [
  ...[null, true, '', 'NaN', '__proto__', 'x'.repeat(5_000), '\ud800', [], {}, [[]], [null]],
  ...[0, -1, -0, 1.5, 1e308, -1e-308, 2 ** 53, 2 ** 63, 2 ** 32, 4_294_967_297, 1e21],
  ...[{ toString: 1 }, { length: 3 }, { constructor: { prototype: null } }, [[[[[[[[1]]]]]]]]],
];

/** A value somewhere in a document is another one, is gone, or is there under another name. */
function changeSomewhere(random: Random, document: unknown): unknown {
  const isOpen = typeof document === 'object' && document !== null;
  const keys = isOpen ? Object.keys(document) : [];
  if (keys.length === 0 || random.next() < 0.15) return random.pick(strange);
  const key = random.pick(keys);
  const copy = Array.isArray(document) ? [...document] : { ...(document as object) };
  const parts = copy as Record<string, unknown>;
  const fate = random.next();
  if (fate < 0.1) delete parts[key];
  else if (fate < 0.2) parts[random.pick(['__proto__x', 'parameters', `${key} `])] = parts[key];
  else if (fate < 0.25 && Array.isArray(copy)) copy.push(parts[key]);
  else parts[key] = changeSomewhere(random, parts[key]);
  return copy;
}

const tokens = [
  'NaN',
  '1e999',
  '{',
  '}',
  '[',
  ']',
  ',',
  '"',
  '\\u',
  'null',
  '-',
  '\u00ff\ufeff',
  '0x1',
];

/** Bytes are changed, inserted, cut out, repeated, or cut off. */
function changeBytes(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(random.next() < 0.9 ? 4 : 4_000);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (random.below(6)) {
    case 0:
      return Buffer.concat([before, Buffer.from(random.pick(tokens)), after]);
    case 1:
      return Buffer.concat([before, after.subarray(length)]);
    case 2:
      return Buffer.concat([before, after.subarray(0, length), after]);
    case 3:
      return Buffer.from(before);
    case 4:
      return Buffer.concat([before, Buffer.from([random.below(256)]), after.subarray(1)]);
    default:
      return Buffer.concat([before, Buffer.alloc(length, random.below(256)), after]);
  }
}

/** The same key twice, which no object can have. */
const keyTwice = (random: Random, json: string): string =>
  json.replace(/"(\w+)":/, (written) => `${written}${random.pick(['1', '[]', '{}'])},${written}`);

function changeHeaders(random: Random, headers: Record<string, string>): void {
  const [name, values] = random.pick<[string, readonly string[]]>([
    ['inference-header-content-length', ['0', '-1', '1e9', '99999999999', '7', 'x', ' 12']],
    ['content-encoding', ['gzip', 'deflate', 'br', 'identity', '', 'gzip, gzip']],
    ['content-type', ['text/csv', 'text/html', 'application/json;charset=utf-16', '']],
    ['x-slipway-purpose', ['parity', 'other', '']],
    ['x-slipway-model', ['nobody', '', '__proto__']],
    ['accept-encoding', ['gzip', 'gzip;q=0', '*', 'deflate']],
  ]);
  headers[name] = random.pick(values);
}

function changePath(random: Random, path: string): string {
  const parts = [
    '/',
    '..',
    '%2f',
    '%',
    ':',
    'versions/1',
    'versions/9',
    '__proto__',
    'ready',
    '?x',
  ];
  // What has no / in front is no path of HTTP.
  const at = 1 + random.below(path.length);
  return `${path.slice(0, at)}${random.pick(parts)}${path.slice(at + random.below(4))}`;
}

function bodyOf(random: Random, { json, behind }: Form, headers: Record<string, string>): Buffer {
  const fate = random.next();
  let document: unknown = json;
  for (let i = random.below(3); fate < 0.5 && i >= 0; i -= 1) {
    document = changeSomewhere(random, document);
  }
  const written = typeof json === 'string' ? json : (JSON.stringify(document) ?? '');
  const text = Buffer.from(fate > 0.95 ? keyTwice(random, written) : written);
  if (behind) headers['inference-header-content-length'] = String(text.length);
  return behind ? Buffer.concat([text, behind]) : text;
}

function compressed(random: Random, body: Buffer, headers: Record<string, string>): Buffer {
  const encoding = random.pick(['gzip', 'deflate']);
  headers['content-encoding'] = encoding;
  const bytes = encoding === 'gzip' ? gzipSync(body) : deflateSync(body);
  return random.next() < 0.3 ? changeBytes(random, bytes) : bytes;
}

/** The next request: now and then as it should be, mostly not. */
export function nextRequest(random: Random, models: readonly FuzzedModel[]): FuzzedRequest {
  const form = random.pick(forms)(random, random.pick(models), 1 + random.below(4));
  const headers: Record<string, string> = { ...form.headers };
  let body = bodyOf(random, form, headers);
  for (let i = random.next() < 0.4 ? 1 + random.below(3) : 0; i > 0; i -= 1) {
    body = changeBytes(random, body);
  }
  if (random.next() < 0.15) body = compressed(random, body, headers);
  if (random.next() < 0.15) changeHeaders(random, headers);
  const path = random.next() < 0.05 ? changePath(random, form.path) : form.path;
  const method = random.next() < 0.02 ? random.pick(['GET', 'PUT', 'HEAD', 'DELETE']) : 'POST';
  return { method, path, headers, body };
}
