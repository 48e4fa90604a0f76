import type { CellRule } from '../core/datasets/cell-rules.ts';
import { type Example, type Finding, maximumExamples } from '../core/datasets/validation-report.ts';
import type { RawColumns, RawValue } from '../core/features/raw-values.ts';
import type { Column } from '../core/model/column.ts';
import { type DuckdbDatabase, sqlText } from './duckdb-database.ts';
import {
  type Columns,
  isNull,
  isOfOtherType,
  problemColumn,
  shownCharacters,
  shownColumn,
  type TypedTable,
  valueColumn,
} from './duckdb-typed-tables.ts';

/** SQL of the condition that a row of a typed table breaks the rule. */
export function broken(rule: CellRule, column: Column | undefined): string {
  const value = valueColumn(rule.column);
  switch (rule.rule) {
    case 'not_null':
      return `${problemColumn(rule.column)} = ${isNull}`;
    case 'type':
      return `${problemColumn(rule.column)} = ${isOfOtherType}`;
    case 'minimum':
      return `${value} < CAST('${rule.bound}' AS DOUBLE)`;
    case 'maximum':
      return `${value} > CAST('${rule.bound}' AS DOUBLE)`;
    case 'allowed': {
      const wanted = column?.type === 'string' ? 'string' : 'number';
      const values = rule.values
        .filter((allowed) => typeof allowed === wanted)
        .map((allowed) =>
          wanted === 'string' ? sqlText(String(allowed)) : `CAST('${allowed}' AS DOUBLE)`,
        );
      if (values.length === 0) return `${value} IS NOT NULL`;
      return `${value} NOT IN (${values.join(', ')})`;
    }
  }
}

const cut = (value: unknown): Example['value'] => {
  if (typeof value === 'string') return value.slice(0, shownCharacters);
  return typeof value === 'number' || typeof value === 'boolean' ? value : null;
};

/** DuckDB's time for a statement grows with the square of its expressions. */
const countersAtOnce = 200;

/** How many of a table's rows meet each of the conditions. */
async function countedRows(
  database: DuckdbDatabase,
  table: TypedTable,
  conditions: readonly string[],
): Promise<unknown[]> {
  const counts: unknown[] = [];
  for (let from = 0; from < conditions.length; from += countersAtOnce) {
    const counters = conditions
      .slice(from, from + countersAtOnce)
      .map((condition) => `count(*) FILTER (WHERE ${condition})`);
    const [some = []] = await database.rows(`SELECT ${counters.join(', ')} FROM ${table.name}`);
    counts.push(...some);
  }
  return counts;
}

/** Counts the rows of a table that break each of the rules, and shows the first of them. */
export async function findBrokenCells(
  database: DuckdbDatabase,
  table: TypedTable,
  rules: readonly CellRule[],
  columns: Columns,
): Promise<Finding[]> {
  const conditions = rules.map((rule) => broken(rule, columns[rule.column]));
  const counts = await countedRows(database, table, conditions);
  const findings: Finding[] = [];
  for (const [i, { rule, column, message }] of rules.entries()) {
    const count = Number(counts[i]);
    if (count === 0) continue;
    const what = rule === 'type' ? shownColumn(column) : valueColumn(column);
    const rows = await database.rows(
      `SELECT n, ${what} FROM ${table.name} WHERE ${conditions[i]} ORDER BY n LIMIT ${maximumExamples}`,
    );
    const hidden = columns[column]?.sensitive;
    const examples = rows.map(([n, value]) => ({
      row: table.rowInFile(Number(n)),
      value: hidden ? null : cut(value),
    }));
    findings.push({ rule, column, count, message, examples });
  }
  return findings;
}

/** Some columns of the rows that break none of the rules, a few thousand rows at a time. */
export async function* unbrokenRows(
  database: DuckdbDatabase,
  table: TypedTable,
  rules: readonly CellRule[],
  columns: Columns,
): AsyncGenerator<{
  readonly rows: number;
  /** Of each row in the file, from 1 on. */
  readonly numbers: readonly number[];
  readonly columns: RawColumns;
}> {
  const wanted = Object.keys(columns);
  const select = wanted.map((name) => `, ${valueColumn(name)}`).join('');
  const right = rules.map((rule) => `NOT coalesce(${broken(rule, columns[rule.column])}, false)`);
  // A line that is no row has no value and yet nothing wrong with it.
  const isRow = wanted.map(
    (name) => `${problemColumn(name)} <> 0 OR ${valueColumn(name)} IS NOT NULL`,
  );
  const query = `SELECT n${select} FROM ${table.name}
    WHERE ${[`(${isRow.join(' OR ')})`, ...right].join(' AND ')} ORDER BY n`;
  for await (const chunk of database.chunks(query)) {
    const [numbers = [], ...values] = chunk.columns;
    yield {
      rows: chunk.rows,
      numbers: numbers.map((n) => table.rowInFile(Number(n))),
      columns: Object.fromEntries(
        wanted.map((name, i) => [name, (values[i] ?? []) as readonly RawValue[]]),
      ),
    };
  }
}
