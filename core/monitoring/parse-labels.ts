import { shownValue, valueCheck } from '../inference/check-value.ts';
import { InvalidRequestError } from '../inference/invalid-request-error.ts';
import { predictionOrigin } from '../inference/log/prediction-id.ts';
import type { LabelRecord } from '../inference/log/prediction-record.ts';
import {
  isObject,
  type JsonObject,
  parseJsonBody,
  writtenKeys,
} from '../inference/parse-json-body.ts';
import type { ModelDefinition } from '../model/define-model.ts';
import { labelColumn } from './label-column.ts';

/** Labels of one request. */
export const maximumLabels = 10_000;
const maximumProblems = 100;
const example = '{"labels": [{"prediction_id": "…" or "entity_key": …, "label": …}]}';
const fields = ['prediction_id', 'entity_key', 'label'];

/** A label without the time of its arrival. */
export type Label = Omit<LabelRecord, 'receivedAt'>;

type Check = (item: JsonObject) => string | undefined;

function checkPredictionId(model: string): Check {
  return ({ prediction_id: id }) => {
    const origin = typeof id === 'string' ? predictionOrigin(id) : undefined;
    if (origin?.model === model) return undefined;
    return `prediction_id: send the id of a prediction of ${model} as its reply gave it (received ${shownValue(id)})`;
  };
}

function checkEntityKey({ data }: ModelDefinition): Check {
  const column = data.entityKey === undefined ? undefined : data.columns[data.entityKey];
  if (!column) {
    return () => 'entity_key: the model declares no entity key; send prediction_id instead';
  }
  const check = valueCheck({ ...column, nullable: false });
  return ({ entity_key: key }) => {
    const problem = check(key);
    return problem && `entity_key: ${problem}`;
  };
}

/** One of the two names what the label is about. */
function checkSubject(definition: ModelDefinition): Check {
  const byId = checkPredictionId(definition.name);
  const byKey = checkEntityKey(definition);
  return (item) => {
    const hasId = Object.hasOwn(item, 'prediction_id');
    const hasKey = Object.hasOwn(item, 'entity_key');
    if (hasId && hasKey) return 'prediction_id: send either prediction_id or entity_key, not both';
    if (hasId) return byId(item);
    return hasKey ? byKey(item) : 'prediction_id: is missing; send prediction_id or entity_key';
  };
}

function checkLabel(definition: ModelDefinition): Check {
  const { data } = definition;
  const check = valueCheck(labelColumn(definition));
  return (item) => {
    if (!Object.hasOwn(item, 'label'))
      return `label: is missing; send what ${data.label} turned out`;
    const problem = check(item['label']);
    return problem && `label: ${problem}`;
  };
}

const checkFields: Check = (item) => {
  const unknown = Object.keys(item).find((name) => !fields.includes(name));
  return unknown === undefined
    ? undefined
    : `${JSON.stringify(unknown.slice(0, 80))}: is not a known field; use ${fields.join(', ')}`;
};

function checkItems(items: readonly unknown[], checks: readonly Check[]): void {
  const problems: string[] = [];
  for (const [index, item] of items.entries()) {
    if (problems.length >= maximumProblems) break;
    const found = isObject(item)
      ? checks.flatMap((check) => check(item) ?? []).map((problem) => `.${problem}`)
      : [`: send an object (received ${shownValue(item)})`];
    for (const problem of found) problems.push(`labels[${index}]${problem}`);
  }
  if (problems.length > 0) throw new InvalidRequestError(problems);
}

/**
 * Makes the parser of a model's `{"labels": [{"prediction_id" or "entity_key", "label"}]}` bodies.
 * The parser throws InvalidRequestError naming item, field, value and fix of what is wrong; values of
 * sensitive columns are not told.
 */
export function labelsParser(definition: ModelDefinition): (body: string) => Label[] {
  const checks = [checkSubject(definition), checkLabel(definition), checkFields];
  return (body) => {
    const items = parseJsonBody(body, 'labels', example)['labels'];
    if (!Array.isArray(items) || items.length === 0 || items.length > maximumLabels) {
      throw new InvalidRequestError([
        `labels: send an array of 1 to ${maximumLabels} objects (received ${shownValue(items)})`,
      ]);
    }
    checkItems(items, checks);
    if (writtenKeys(body) !== 1 + items.length * 2) {
      throw new InvalidRequestError(['the body has an object that names a field twice']);
    }
    return items.map((item) => ({
      ...('prediction_id' in item
        ? { predictionId: item.prediction_id }
        : { entityKey: item.entity_key }),
      label: item.label,
    }));
  };
}
