import { timestampPattern } from '../../features/raw-values.ts';
import type { SignatureColumn } from '../signature.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** The values that a column may have. */
export function columnSchema(column: SignatureColumn): JsonSchema {
  const { allowed, maximum, minimum, type } = column;
  const bounds = {
    ...(minimum !== undefined && { minimum }),
    ...(maximum !== undefined && { maximum }),
    ...(allowed && { enum: allowed }),
  };
  switch (type) {
    case 'integer':
      return {
        type: 'integer',
        minimum: Number.MIN_SAFE_INTEGER,
        maximum: Number.MAX_SAFE_INTEGER,
        ...bounds,
      };
    case 'timestamp':
      return { type: 'string', pattern: timestampPattern };
    case 'boolean':
      return { type: 'boolean' };
    default:
      return { type, ...bounds };
  }
}

/** The same, or null where that may be. */
export const nullable = (column: SignatureColumn): JsonSchema =>
  column.nullable ? { anyOf: [columnSchema(column), { type: 'null' }] } : columnSchema(column);
