// What MLflow's scoring server takes, and with it SageMaker's: POST /invocations with a DataFrame as JSON or CSV.
// https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#inference-server-specification
import { bodyText } from '../body-text.ts';
import { shownValue } from '../check-value.ts';
import { HttpError } from '../http-error.ts';
import type { EndpointRequest } from '../http-messages.ts';
import { type Instances, maximumInstances } from '../instances.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import { checkKeysWrittenOnce } from '../parse-instances.ts';
import { isObject, type JsonObject, parseJsonObject, unknownFields } from '../parse-json-body.ts';
import { type InstancesReader, instancesReader } from '../read-instances.ts';
import type { SignatureColumn } from '../signature.ts';
import type { LoadedVersion } from '../versions/loaded-version.ts';
import type { Asked } from './asked.ts';
import { CsvError, type CsvField, parseCsv } from './csv.ts';
import { replyV1 } from './v1.ts';

const forms = ['dataframe_split', 'dataframe_records', 'instances', 'inputs'] as const;
type Form = (typeof forms)[number];
const tolerated = ['params', 'signature_name'];
const example = '{"dataframe_split": {"columns": ["<column>", …], "data": [[…], …]}}';

const refuse = (problem: string): never => {
  throw new InvalidRequestError([problem]);
};

const readers = new WeakMap<LoadedVersion, InstancesReader>();

function readerOf(version: LoadedVersion): InstancesReader {
  let reader = readers.get(version);
  if (!reader) {
    reader = instancesReader(version.signature);
    readers.set(version, reader);
  }
  return reader;
}

/** Rows, and how many keys the text has for them beside those of the body itself. */
interface Read {
  readonly instances: Instances;
  readonly keys: number;
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

/** Rows of values under names. */
function readTable(
  version: LoadedVersion,
  names: readonly unknown[],
  rows: readonly unknown[],
  place: string,
): Instances {
  if (rows.length > maximumInstances) return readerOf(version)(rows, place).instances;
  if (new Set(names).size < names.length) refuse(`${place}: names a column twice; send it once`);
  const list = rows.map((row, index) => {
    if (isList(row) && row.length === names.length) {
      return Object.fromEntries(names.map((name, i) => [String(name), row[i]]));
    }
    return refuse(
      `${place}[${index}]: send an array of ${names.length} values (received ${shownValue(row)})`,
    );
  });
  return readerOf(version)(list, place).instances;
}

/** pandas' orientation `split`. */
function readSplit(version: LoadedVersion, value: unknown): Read {
  if (!isObject(value)) {
    return refuse(`dataframe_split: send columns and data (received ${shownValue(value)})`);
  }
  const { columns, data } = value;
  const [unknown] = unknownFields(value, ['columns', 'data', 'index']);
  if (unknown !== undefined) refuse(`dataframe_split.${unknown}`);
  if (!isList(columns) || !columns.every((name) => typeof name === 'string')) {
    return refuse(
      `dataframe_split.columns: send an array of names (received ${shownValue(columns)})`,
    );
  }
  if (!isList(data)) {
    return refuse(`dataframe_split.data: send an array of rows (received ${shownValue(data)})`);
  }
  const instances = readTable(version, columns, data, 'dataframe_split.data');
  return { instances, keys: Object.keys(value).length };
}

/** Objects by name, or arrays in the order of the signature's columns. */
function readRows(version: LoadedVersion, value: unknown, place: string): Read {
  if (isList(value) && isList(value[0])) {
    const names = version.signature.inputs.map(({ name }) => name);
    return { instances: readTable(version, names, value, place), keys: 0 };
  }
  return readerOf(version)(value, place);
}

const unpacked = (value: unknown): unknown =>
  isList(value) && value.length === 1 && !isObject(value[0]) ? value[0] : value;

/** A column of values under each name. */
function readColumns(version: LoadedVersion, value: JsonObject): Read {
  const names = Object.keys(value);
  const columns = names.map((name) => {
    const column = value[name];
    if (isList(column)) return column.map(unpacked);
    return refuse(
      `inputs.${JSON.stringify(name.slice(0, 80))}: send an array of values (received ${shownValue(column)})`,
    );
  });
  const rows = columns[0]?.length ?? 0;
  if (columns.some((column) => column.length !== rows)) {
    refuse('inputs: its columns are not equally long; send a value of each column for each row');
  }
  const table = Array.from({ length: rows }, (_, row) => columns.map((column) => column[row]));
  return { instances: readTable(version, names, table, 'inputs'), keys: names.length };
}

function readForm(version: LoadedVersion, form: Form, value: unknown): Read {
  if (form === 'dataframe_split') return readSplit(version, value);
  if (form === 'inputs' && isObject(value)) return readColumns(version, value);
  return readRows(version, value, form);
}

function readJson(version: LoadedVersion, text: string): Instances {
  const body = parseJsonObject(text, example);
  const problems = unknownFields(body, [...forms, ...tolerated]);
  if (problems.length > 0) throw new InvalidRequestError(problems);
  const [form, ...others] = forms.filter((name) => Object.hasOwn(body, name));
  if (form === undefined || others.length > 0) {
    return refuse(
      `send exactly one of ${forms.join(', ')} (received ${form === undefined ? 'none' : [form, ...others].join(', ')})`,
    );
  }
  const { params } = body;
  if (params !== undefined && params !== null && !(isObject(params) && keysOf(params) === 0)) {
    refuse('params: the models here have none; leave it out');
  }
  const { instances, keys } = readForm(version, form, body[form]);
  checkKeysWrittenOnce(text, keysOf(body) + keys);
  return instances;
}

const keysOf = (body: JsonObject): number => Object.keys(body).length;

/** A text as its column's value; as it is where it is none, so that the check has the words for it. */
function csvValue(type: SignatureColumn['type'] | undefined, { text, isQuoted }: CsvField) {
  if (text === '' && !isQuoted) return null;
  if (type === 'boolean') return { true: true, false: false }[text.toLowerCase()] ?? text;
  const isNumber = (type === 'number' || type === 'integer') && text.trim() !== '';
  return isNumber && !Number.isNaN(Number(text)) ? Number(text) : text;
}

function readCsv(version: LoadedVersion, text: string): Instances {
  const { inputs, passthrough } = version.signature;
  const types = new Map([...inputs, ...passthrough].map(({ name, type }) => [name, type]));
  try {
    const [header = [], ...lines] = parseCsv(text);
    const names = header.map((field) => field.text);
    const rows = lines.map((line) =>
      line.map((field, i) => csvValue(types.get(names[i] ?? ''), field)),
    );
    return readTable(version, names, rows, 'rows');
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return refuse(`the body is not CSV: ${error.message}; send a header line and a line a row`);
  }
}

/**
 * @throws InvalidRequestError
 * @throws HttpError of a type that is neither JSON nor CSV
 */
export function askMlflow(version: LoadedVersion, { headers, body }: EndpointRequest): Asked {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  switch (type.trim().toLowerCase()) {
    case '':
    case 'application/json':
      return { instances: readJson(version, bodyText(body)), reply: replyV1 };
    case 'text/csv':
      return { instances: readCsv(version, bodyText(body)), reply: replyV1 };
    default:
      throw new HttpError(
        415,
        `the Content-Type '${type.slice(0, 80)}' is not understood; send application/json or text/csv`,
      );
  }
}
