import { randomBytes } from 'node:crypto';

/** What a prediction id says about itself. */
export interface PredictionOrigin {
  readonly model: string;
  readonly version: number;
}

/** 128 bits as 32 hex digits that sort by time: RFC 9562's UUID version 7 without its dashes. */
export function sortableId(milliseconds: number, random: Uint8Array = randomBytes(10)): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(milliseconds, 0, 6);
  bytes.set(random.subarray(0, 10), 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex');
}

/**
 * Ids of the predictions of one request, `<model>-v<version>-<sortable id of the request>-<row>`:
 * unique without a register, sorted by time, and leading to the version that answered.
 */
export function predictionIds(origin: PredictionOrigin, request: string, rows: number): string[] {
  const prefix = `${origin.model}-v${origin.version}-${request}`;
  return Array.from({ length: rows }, (_, row) => `${prefix}-${row}`);
}

/** Which model and version gave a prediction; undefined where the text is not a prediction id. */
export function predictionOrigin(id: string): PredictionOrigin | undefined {
  const match = /^([a-z][a-z0-9-]*)-v([1-9][0-9]{0,8})-[0-9a-f]{32}-[0-9]{1,6}$/.exec(id);
  if (!match?.[1]) return undefined;
  return { model: match[1], version: Number(match[2]) };
}
