import { Condition, JsonPath } from 'aws-cdk-lib/aws-stepfunctions';

// What a run knows, by where its states leave it.
export type Payload = Record<string, unknown>;
export const runId = JsonPath.stringAt('$.runId');
export const trainingId = JsonPath.stringAt('$.plan.trainingId');
export const snapshot = (field: string): string => JsonPath.stringAt(`$.snapshot.${field}`);
export const feature = (field: string): string => JsonPath.stringAt(`$.features.${field}`);
export const version = JsonPath.numberAt('$.registration.version');
export const isImport = Condition.isPresent('$.import');
export const judged: Payload = {
  runId,
  trainingId,
  evaluationKey: JsonPath.stringAt('$.evaluation.evaluationKey'),
};
export const rejected: Payload = {
  ...judged,
  outcome: 'rejected',
  reasons: JsonPath.listAt('$.evaluation.reasons'),
};
export const modelArtifacts = JsonPath.stringAt('$.train.ModelArtifacts');
export const quarantined: Payload = {
  runId,
  outcome: 'quarantined',
  reasons: JsonPath.array(JsonPath.format('see {}', JsonPath.stringAt('$.quarantine.reportKey'))),
};
