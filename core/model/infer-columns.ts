import type { ColumnType } from './column.ts';
import type { ColumnSummary } from './column-summary.ts';

/** A column as `slipway init` writes it, with the reason of everything that it guessed. */
export interface InferredColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly allowed?: readonly (string | number)[];
  readonly minimum?: number;
  readonly sensitive: boolean;
  /** How many different values it has. */
  readonly distinct: number;
  readonly why: string;
}

const personal =
  /e.?mail|phone|mobile|passport|iban|ssn|social.?security|first.?name|last.?name|surname|full.?name|street|address|birth/i;
/** A text of so many different values, or so long, is no category. */
const mostAllowedValues = 10;
const fewestRowsForRules = 200;
const fewestRowsOfAValue = 5;

const shown = (count: number): string => count.toLocaleString('en-US');
const rowsText = (count: number): string => `${shown(count)} ${count === 1 ? 'row' : 'rows'}`;

function typeOf(summary: ColumnSummary): { type: ColumnType; why: string } {
  if (summary.isInteger) return { type: 'integer', why: 'every value is a whole number' };
  if (summary.isNumber) return { type: 'number', why: 'every value is a number' };
  if (summary.isBoolean) return { type: 'boolean', why: 'every value is true or false' };
  if (summary.isTimestamp) return { type: 'timestamp', why: 'every value is a date or a time' };
  const words = summary.distinct;
  return {
    type: 'string',
    why: words === 0 ? 'it has no values' : `text, ${shown(words)} different`,
  };
}

/** The few values that a text column has, where they look like all there can be. */
function allowedValues(summary: ColumnSummary, rows: number): string[] | undefined {
  const { distinct, top, missing } = summary;
  const isCategory = distinct >= 2 && distinct <= mostAllowedValues && rows >= fewestRowsForRules;
  if (!isCategory || top.length < distinct || missing === rows) return undefined;
  if (top.some(({ count }) => count < fewestRowsOfAValue)) return undefined;
  return top.map(({ value }) => value).sort();
}

/**
 * @param asText columns that stay text whatever their values look like, because the notebook reads them so
 */
export function inferColumn(
  summary: ColumnSummary,
  rows: number,
  asText: ReadonlySet<string> = new Set(),
): InferredColumn {
  const found = typeOf(summary);
  const kept = asText.has(summary.name);
  const type = kept ? 'string' : found.type;
  const reasons = [kept ? `${found.why}, which the notebook reads as text` : found.why];
  const nullable = summary.missing > 0 || rows === 0;
  reasons.push(nullable ? `missing in ${rowsText(summary.missing)}` : 'never missing');
  const allowed = type === 'string' ? allowedValues(summary, rows) : undefined;
  if (allowed) reasons.push(`no other value in ${rowsText(rows)}`);
  const numeric = type === 'integer' || type === 'number';
  const minimum =
    numeric && rows >= fewestRowsForRules && (summary.minimum ?? -1) >= 0 ? 0 : undefined;
  if (minimum !== undefined) reasons.push('never below 0');
  const sensitive = personal.test(summary.name);
  if (sensitive) reasons.push('its name is that of personal data');
  return {
    name: summary.name,
    type,
    nullable,
    ...(allowed && { allowed }),
    ...(minimum !== undefined && { minimum }),
    sensitive,
    distinct: summary.distinct,
    why: reasons.join('; '),
  };
}

/** A column's section of model.ts; what is a default is left out. */
export const columnDocument = ({
  type,
  nullable,
  allowed,
  minimum,
  sensitive,
}: InferredColumn) => ({
  type,
  ...(nullable && { nullable }),
  ...(minimum !== undefined && { minimum }),
  ...(allowed && { allowed: [...allowed] }),
  ...(sensitive && { sensitive }),
});
