import { MonitoringSection } from '../../core/model/monitoring-section.ts';
import { type DriftReport, DriftReport as Report } from '../../core/monitoring/drift-report.ts';
import { judgeDrift } from '../../core/monitoring/judge-drift.ts';
import { judgeQuality } from '../../core/monitoring/judge-quality.ts';
import {
  type CellCounts,
  type Cells,
  categoryCells,
  cellCounter,
  type Distribution,
} from '../../core/monitoring/profile.ts';
import { quantileCells } from '../../core/monitoring/quantile-cells.ts';

type Row = readonly [origin: number, distance: number, day: number, prediction: number];

/** Flights from 30 airports; after a move, most leave from the last ones, and fly farther. */
const flights = (count: number, moved: boolean): Row[] =>
  Array.from({ length: count }, (_, i) => [
    (((i * i) % 29) + (moved && i % 3 > 0 ? 12 : 0)) % 30,
    150 + ((i * 37) % 1_900) * (moved ? 1.4 : 1),
    1 + (i % 7),
    0.05 + (((i * 7) % 61) / 61) * (moved ? 0.9 : 0.55),
  ]);

function counted(cells: Cells, values: readonly number[]): CellCounts {
  const counter = cellCounter(cells);
  for (const value of values) counter.add(value);
  return counter.counted();
}
const column = (rows: readonly Row[], at: 0 | 1 | 2 | 3): number[] => rows.map((row) => row[at]);

/** The report of a check of a model of flights: steady ones, or flights that have moved. */
export function aDriftReport(moved: boolean, monitoring: object = {}): DriftReport {
  const policy = MonitoringSection.parse(monitoring);
  const [before, now] = [flights(20_000, false), flights(3_600, moved)];
  const airports = Array.from({ length: 30 }, (_, i) => `${'ABCDEFGHIJ'[i % 10]}${i}X`);
  const cells: Cells[] = [
    categoryCells(airports),
    quantileCells(Float64Array.from(column(before, 1)), 256),
    categoryCells([1, 2, 3, 4, 5, 6, 7]),
    quantileCells(Float64Array.from(column(before, 3)), 256),
  ];
  const of = (rows: readonly Row[]) =>
    cells.map((one, at) => {
      const values = column(rows, at as 0);
      return counted(one, at === 2 ? values.map((day) => day - 1) : values);
    });
  const [reference, current] = [of(before), of(now)];
  const distribution = (at: number): Distribution => ({
    cells: cells[at] as Cells,
    reference: reference[at] as CellCounts,
  });
  const feature = (name: string, transform: 'categorical' | 'numeric' | 'dayOfWeek', at: number) =>
    ({ name, column: name, transform, distribution: distribution(at) }) as const;
  const profile = {
    model: 'flight-delay',
    specHash: 'ab'.repeat(32),
    rows: before.length,
    features: [
      feature('origin', 'categorical', 0),
      feature('distance', 'numeric', 1),
      feature('dayOfWeek', 'dayOfWeek', 2),
    ],
    label: distribution(2),
    prediction: distribution(3),
  };
  const counts = { features: current.slice(0, 3), prediction: current[3] as CellCounts };
  const late = now.map(([origin], i) => Number((origin + i) % (moved ? 2 : 4) === 0));
  const window = { from: '2026-11-24T14:00:00.000Z', to: '2026-11-25T14:00:00.000Z' };
  return Report.parse({
    model: 'flight-delay',
    version: 3,
    checkedAt: window.to,
    window,
    rows: now.length,
    unreadable: 0,
    policy,
    ...judgeDrift(profile, counts, policy),
    quality: {
      ...judgeQuality(
        {
          metric: 'auc',
          reference: 0.71,
          labels: late.slice(0, 2_400),
          predictions: now
            .slice(0, 2_400)
            .map(
              ([, , , prediction], i) => prediction * 0.2 + (late[i] ?? 0) * (moved ? 0.01 : 0.09),
            ),
          predicted: now.length,
        },
        policy.quality,
      ),
      window,
    },
  });
}
