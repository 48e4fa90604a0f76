import * as z from 'zod';
import { Column, ColumnName } from './column.ts';

/** A file's columns are typed and checked in one statement, whose time grows with their square. */
export const mostColumns = 1_000;

export const DataSection = z.strictObject({
  columns: z
    .record(ColumnName, Column)
    .refine((columns) => Object.keys(columns).length > 0, {
      error: 'declare at least one column',
    })
    .refine((columns) => Object.keys(columns).length <= mostColumns, {
      // Said when it is needed: to write a number in a language loads all languages, at every start.
      error: () =>
        `declare at most ${mostColumns.toLocaleString('en-US')} columns; leave out those that the model does not need, from model.ts and from the files`,
    }),
  /** The column that is to be predicted. */
  label: ColumnName,
  /** Identifies what a row is about; its values need not be unique. */
  entityKey: ColumnName.optional(),
  /** When the row happened; a timestamp column. */
  eventTime: ColumnName.optional(),
  /** append: a snapshot is everything in landing; replace: only the newest file. */
  mode: z.enum(['append', 'replace']).default('append'),
  checks: z
    .strictObject({
      /** A file with fewer rows is refused. */
      minimumRows: z.int().min(1).default(1),
    })
    .prefault({}),
});
export type DataSection = z.infer<typeof DataSection>;
