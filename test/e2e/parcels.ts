// Two models of made-up parcels, so that what moves one can be seen not to move the other.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelDefinitionInput } from '../../core/model/define-model.ts';

type Serving = ModelDefinitionInput['serving'];

const definition = (name: string, serving: Serving): ModelDefinitionInput => ({
  name,
  data: {
    columns: {
      parcel_id: { type: 'string' },
      sent_at: { type: 'timestamp' },
      weight: { type: 'number', minimum: 0, maximum: 1_000, nullable: true },
      depot: { type: 'string' },
      late: { type: 'integer', allowed: [0, 1] },
    },
    label: 'late',
    entityKey: 'parcel_id',
    eventTime: 'sent_at',
  },
  features: {
    declared: {
      weight: { transform: 'numeric', column: 'weight' },
      depot: { transform: 'categorical', column: 'depot' },
    },
  },
  training: { trainer: 'xgboost', hyperparameters: { num_round: 20 } },
  evaluation: {
    task: 'binary_classification',
    metric: 'auc',
    holdout: { by: 'time', days: 7 },
    mustBeatBaselineBy: 0.01,
    // What is tried here is that the loop closes, not that a model got better.
    mustBeatProductionBy: -0.5,
  },
  serving,
  delivery: { approval: 'automatic' },
  monitoring: { minimumRows: 200 },
  retraining: { onDrop: 'collect', minimumLabelledRows: 200 },
});

/** A folder of models, for SLIPWAY_MODELS. */
export function modelsFolder(
  names: readonly string[],
  servingOf: (name: string) => Serving = () => ({ target: 'lambda' }),
): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-models-'));
  for (const name of names) {
    mkdirSync(join(folder, name));
    const text = `export default ${JSON.stringify(definition(name, servingOf(name)))};\n`;
    writeFileSync(join(folder, name, 'model.ts'), text);
  }
  return folder;
}

export interface Parcel {
  readonly parcel_id: string;
  readonly sent_at: string;
  readonly weight: number;
  readonly depot: string;
}

const depots = ['harbour', 'station', 'airport'];

/** Parcels of thirty days; heavier ones and those of later depots are late more often. */
export function parcels(
  rows: number,
  prefix: string,
  heavierBy = 0,
): { readonly parcel: Parcel; readonly late: 0 | 1 }[] {
  return Array.from({ length: rows }, (_, row) => {
    // Weyl's sequence: spread evenly, and the same every time.
    const share = (row * 0.6180339887498949) % 1;
    const depot = row % depots.length;
    const chance = 0.15 + 0.5 * share + 0.1 * depot;
    return {
      parcel: {
        parcel_id: `${prefix}-${row}`,
        sent_at: new Date(Date.UTC(2026, 0, 1, 0, Math.floor((row / rows) * 43_200))).toISOString(),
        weight: Math.round((1 + 40 * share + heavierBy) * 10) / 10,
        depot: depots[depot] ?? '',
      },
      late: (row * 0.7548776662466927) % 1 < chance ? 1 : 0,
    };
  });
}

export const trainingCsv = (rows: number): string =>
  [
    'parcel_id,sent_at,weight,depot,late',
    ...parcels(rows, 'T').map(
      ({ parcel, late }) =>
        `${parcel.parcel_id},${parcel.sent_at},${parcel.weight},${parcel.depot},${late}`,
    ),
    '',
  ].join('\n');
