import * as z from 'zod';

/** Names that the platform's own tables and JavaScript's objects give a meaning of their own. */
const takenNames: ReadonlySet<string> = new Set(['__label', '__row', '__proto__']);

/** What the header of a file has in practice: spaces, points, signs, letters of any script. */
export const ColumnName = z
  .string()
  .regex(/^(?!\s)[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]{1,128}(?<!\s)$/u, {
    error:
      'a column name has 1 to 128 printable characters and neither begins nor ends with a space; rename the column',
  })
  .refine((name) => !takenNames.has(name), {
    error: 'this name is taken by the platform; rename the column',
  });

export const ColumnType = z.enum(['string', 'integer', 'number', 'boolean', 'timestamp'], {
  error: "a column's type is one of string, integer, number, boolean, timestamp",
});
export type ColumnType = z.infer<typeof ColumnType>;

/** A column of the raw data with the rules that each of its values keeps. */
export const Column = z
  .strictObject({
    type: ColumnType,
    nullable: z.boolean().default(false),
    /** Inclusive bounds, for integer and number columns. */
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    /** The only values there may be, for string and integer columns. */
    allowed: z
      .array(z.union([z.string(), z.number()]))
      .min(1)
      .optional(),
    /** Values of a sensitive column are never echoed into logs, errors or reports. */
    sensitive: z.boolean().default(false),
  })
  .superRefine((column, context) => {
    const numeric = column.type === 'integer' || column.type === 'number';
    for (const bound of ['minimum', 'maximum'] as const) {
      if (column[bound] !== undefined && !numeric) {
        context.addIssue({
          code: 'custom',
          path: [bound],
          message: `only integer and number columns have a ${bound}; this one is a ${column.type}`,
        });
      }
    }
    const wanted = column.type === 'string' ? 'string' : 'number';
    if (column.allowed && column.type !== 'string' && column.type !== 'integer') {
      const message = `only string and integer columns have allowed values; this one is a ${column.type}`;
      context.addIssue({ code: 'custom', path: ['allowed'], message });
    } else if (column.allowed?.some((value) => typeof value !== wanted)) {
      const message = `the allowed values of this ${column.type} column must be ${wanted}s`;
      context.addIssue({ code: 'custom', path: ['allowed'], message });
    }
    if (
      column.minimum !== undefined &&
      column.maximum !== undefined &&
      column.minimum > column.maximum
    ) {
      context.addIssue({
        code: 'custom',
        path: ['minimum'],
        message: `must not exceed maximum ${column.maximum}`,
      });
    }
  });
export type Column = z.infer<typeof Column>;
