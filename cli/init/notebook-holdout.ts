import { timestampMicros } from '../../core/features/raw-values.ts';
import type { TableSummary } from '../../core/model/column-summary.ts';
import type { Holdout } from '../../core/model/evaluation-section.ts';
import type { NotebookHoldout } from './lift-notebook.ts';

const dayMicros = 86_400_000_000;

function daysOf(found: Exclude<NotebookHoldout, { by: 'column' }>, table: TableSummary) {
  // A row that is exactly so old is held out where the boundary lies a microsecond further back.
  const more = found.inclusive ? 1 / dayMicros : 0;
  if (found.by === 'days') return found.days + more;
  const latest = table.columns.find(({ name }) => name === found.column)?.latestMicros;
  const instant = timestampMicros(found.instant);
  if (latest === undefined || instant === undefined || latest <= instant) return undefined;
  return (latest - instant) / dayMicros + more;
}

/** The notebook's own split as model.ts says it, so that both learn from the same rows. */
export function notebookHoldout(
  found: NotebookHoldout | null,
  table: TableSummary,
  time: string | undefined,
): { holdout: Holdout; why: string; time?: string } | undefined {
  if (!found || !table.columns.some(({ name }) => name === found.column)) return undefined;
  const why = `as the notebook does it, cell ${found.cell}, line ${found.line}`;
  if (found.by === 'column') {
    return { holdout: { by: 'column', column: found.column, value: found.value }, why };
  }
  const days = daysOf(found, table);
  if (days === undefined || (time !== undefined && time !== found.column)) return undefined;
  return { holdout: { by: 'time', days }, why, time: found.column };
}
