import { ModelDefinition, type ModelDefinitionInput } from '../../core/model/define-model.ts';
import type { InferredData } from '../../core/model/infer-definition.ts';
import { InvalidDocumentError, parseDocument } from '../../core/parse-document.ts';
import { usageError } from '../command-error.ts';
import { importPath } from './model-folder.ts';
import type { Plan } from './plan.ts';
import { printDefinition } from './print-definition.ts';

/** The definition as the platform will read it. @throws CommandError where it would refuse it */
function checked(definition: ModelDefinitionInput): ModelDefinitionInput {
  try {
    parseDocument(ModelDefinition, definition, 'model.ts');
    return definition;
  } catch (error) {
    if (!(error instanceof InvalidDocumentError)) throw error;
    throw usageError(
      `these data make no model yet; change what is named and call it again:\n${error.problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
  }
}

/**
 * The text of model.ts.
 * @param dataFile name of the file that it was inferred from
 */
export function modelFile(
  name: string,
  folder: string,
  dataFile: string,
  { inferred, plan, rows }: { inferred: InferredData; plan: Plan; rows: number },
): string {
  const definition = checked({
    name,
    description: '',
    data: inferred.data,
    features: plan.features,
    training: plan.training,
    evaluation: inferred.evaluation,
    serving: plan.serving,
    delivery: { approval: 'automatic' },
  });
  const remarks = [
    `Written by \`slipway init\` from ${dataFile} (${rows.toLocaleString('en-US')} rows). Lines that end in a guess are for you to check.`,
    ...plan.remarks,
  ];
  return [
    `import { defineModel } from '${importPath(folder, 'core/model/define-model.ts')}';`,
    '',
    ...remarks.map((remark) => `// ${remark}`),
    `export default defineModel(${printDefinition(definition, [...inferred.guesses, ...plan.guesses])});`,
    '',
  ].join('\n');
}
