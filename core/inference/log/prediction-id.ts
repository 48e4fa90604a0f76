import { randomBytes } from 'node:crypto';

/** What a prediction id says about itself. */
export interface PredictionOrigin {
  readonly model: string;
  readonly version: number;
}

const idBytes = 10;
/** One call to the system's generator costs as much as a request's other ids and checks together. */
const pooledIds = 512;
let pool = Buffer.alloc(0);
let used = 0;

/** Random bytes that nobody else gets. */
function freshBytes(): Buffer {
  if (used >= pool.length) {
    pool = randomBytes(idBytes * pooledIds);
    used = 0;
  }
  used += idBytes;
  return pool.subarray(used - idBytes, used);
}

/** 128 bits as 32 hex digits that sort by time: RFC 9562's UUID version 7 without its dashes. */
export function sortableId(milliseconds: number, random: Uint8Array = freshBytes()): string {
  const time = milliseconds.toString(16).padStart(12, '0');
  const bytes = Buffer.from(random.buffer, random.byteOffset, idBytes);
  const hex = bytes.toString('hex');
  // Four bits in front are the version, and two in the middle the variant.
  const variant = '89ab'[((bytes[2] ?? 0) >> 4) & 3];
  return `${time}7${hex.slice(1, 4)}${variant}${hex.slice(5)}`;
}

/**
 * Ids of the predictions of one request, `<model>-v<version>-<sortable id of the request>-<row>`:
 * unique without a register, sorted by time, and leading to the version that answered.
 */
export function predictionIds(origin: PredictionOrigin, request: string, rows: number): string[] {
  const prefix = `${origin.model}-v${origin.version}-${request}`;
  const ids = new Array<string>(rows);
  for (let row = 0; row < rows; row += 1) ids[row] = `${prefix}-${row}`;
  return ids;
}

/** Which model and version gave a prediction; undefined where the text is not a prediction id. */
export function predictionOrigin(id: string): PredictionOrigin | undefined {
  const match = /^([a-z][a-z0-9-]*)-v([1-9][0-9]{0,8})-[0-9a-f]{32}-[0-9]{1,6}$/.exec(id);
  if (!match?.[1]) return undefined;
  return { model: match[1], version: Number(match[2]) };
}
