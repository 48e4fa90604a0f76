import { defineModel } from '../../core/model/define-model.ts';

const airports = (codes: string): string[] => codes.split(' ');
const east = airports('ATL BOS CLT EWR PHL LGA PIT MCO BWI DCA MIA TPA JFK FLL IAD CLE RDU BDL');
const west = airports('LAX PHX LAS SFO SEA SAN SJC SLC OAK PDX DEN SMF SNA ONT BUR');

/** Will a flight leave more than 15 minutes late? One row per flight. */
export default defineModel({
  name: 'flight-delay',
  description: 'Probability that a flight departs more than 15 minutes late.',
  data: {
    columns: {
      flight_id: { type: 'string' },
      date: { type: 'timestamp' },
      origin: { type: 'string' },
      destination: { type: 'string' },
      distance: { type: 'number', minimum: 1, maximum: 10_000 },
      late: { type: 'integer', allowed: [0, 1] },
    },
    label: 'late',
    entityKey: 'flight_id',
    eventTime: 'date',
    mode: 'append',
    checks: { minimumRows: 100 },
  },
  features: {
    // No hour of day: the date is that of the actual departure, so its hour gives the delay away.
    declared: {
      origin: { transform: 'categorical', column: 'origin' },
      destination: { transform: 'categorical', column: 'destination' },
      distance: { transform: 'numeric', column: 'distance' },
      dayOfWeek: { transform: 'dayOfWeek', column: 'date' },
    },
  },
  training: {
    trainer: 'xgboost',
    hyperparameters: {
      num_round: 200,
      eta: 0.1,
      max_depth: 6,
      subsample: 0.8,
      min_child_weight: 10,
    },
    instanceType: 'ml.m5.xlarge',
    spot: true,
    maxRuntimeSeconds: 1_800,
    maxWaitSeconds: 3_600,
    checkpointIntervalSeconds: 0.5,
    seed: 7,
  },
  evaluation: {
    task: 'binary_classification',
    metric: 'auc',
    holdout: { by: 'time', days: 7 },
    mustBeatBaselineBy: 0.02,
    mustBeatProductionBy: 0,
    slices: {
      east: { column: 'origin', values: east },
      west: { column: 'origin', values: west },
    },
    limits: { p95LatencyMs: 100, modelSizeMb: 20, costPer1000PredictionsUsd: 0.01 },
  },
  serving: { target: 'lambda' },
  delivery: { approval: 'automatic' },
  // The model is 0.1 better than chance; 0.03 less is a third of what it knows.
  monitoring: {
    windowHours: 24,
    minimumRows: 500,
    psiThreshold: 0.2,
    quality: { minimumLabels: 500, maximumDrop: 0.03 },
  },
  // New flights come every day and change little: they wait until drift, quality or age ask for them.
  retraining: {
    onDrop: 'collect',
    minimumLabelledRows: 5_000,
    cooldownHours: 0,
    maxAgeDays: 90,
    monthlyBudgetUsd: 50,
  },
});
