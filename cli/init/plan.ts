import type { ModelDefinitionInput } from '../../core/model/define-model.ts';
import type { Guess } from '../../core/model/infer-definition.ts';
import type { Files } from './model-folder.ts';

/** What a way of training adds to what the data say. */
export interface Plan {
  readonly features: ModelDefinitionInput['features'];
  readonly training: ModelDefinitionInput['training'];
  readonly serving: ModelDefinitionInput['serving'];
  readonly guesses: readonly Guess[];
  /** Lines of comment above the definition. */
  readonly remarks: readonly string[];
  /** Raw columns that a request has. */
  readonly inputs: readonly string[];
  readonly files: Files;
}
