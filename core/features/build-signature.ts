import type { Signature } from '../inference/signature.ts';
import type { ModelDefinition } from '../model/define-model.ts';
import { type FeatureSpec, inputColumns } from './feature-spec.ts';

/** What callers of a model send: the raw columns its features read, and those that may come along. */
export function buildSignature(definition: ModelDefinition, spec: FeatureSpec): Signature {
  const { columns, label, entityKey } = definition.data;
  const read = new Set(inputColumns(spec));
  const named = Object.entries(columns)
    .filter(([name]) => name !== label)
    .map(([name, column]) => ({ ...column, name }));
  return {
    model: definition.name,
    task: definition.evaluation.task,
    inputs: named.filter(({ name }) => read.has(name)),
    passthrough: named.filter(({ name }) => !read.has(name)),
    label,
    ...(entityKey === undefined || entityKey === label ? {} : { entityKey }),
    ...(definition.serving.target === 'container'
      ? { runtime: 'container', protocol: definition.serving.protocol }
      : { runtime: 'onnx' }),
    ...(spec.input === 'features' && {
      tensor: {
        input: 'features',
        output: 'prediction',
        datatype: 'FP32',
        width: spec.features.length,
      },
    }),
  };
}
