import { cellCounter, type Distribution, profileCells } from './profile.ts';
import { quantileCells } from './quantile-cells.ts';

/** How a candidate's predictions of the holdout are spread. */
export function profilePredictions(predictions: readonly number[]): Distribution {
  const values = Float64Array.from(predictions).filter(Number.isFinite);
  const cells = quantileCells(values, profileCells);
  const counter = cellCounter(cells);
  for (const prediction of predictions) counter.add(prediction);
  return { cells, reference: counter.counted() };
}
