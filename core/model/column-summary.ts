/** What can be said of a data file's column without knowing what it means. */
export interface ColumnSummary {
  readonly name: string;
  /** Rows that have no value. */
  readonly missing: number;
  readonly distinct: number;
  /** Whether every value that there is is of the type. */
  readonly isInteger: boolean;
  readonly isNumber: boolean;
  readonly isBoolean: boolean;
  readonly isTimestamp: boolean;
  /** Rows with a word that pandas reads as missing by default, as in NA; and whether all others are numbers. */
  readonly missingWords: number;
  readonly isNumberButForWords: boolean;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  /** Instants in microseconds UTC; a fifth of the rows are later than the last one. */
  readonly earliestMicros: number | undefined;
  readonly latestMicros: number | undefined;
  readonly lastFifthMicros: number | undefined;
  readonly meanCharacters: number;
  /** The most frequent values as text, with how many rows have them. */
  readonly top: readonly { readonly value: string; readonly count: number }[];
}

export interface TableSummary {
  readonly rows: number;
  readonly columns: readonly ColumnSummary[];
}
