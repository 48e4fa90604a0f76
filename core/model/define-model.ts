import * as z from 'zod';
import { hashOf } from '../canonical-json.ts';
import { parseDocument } from '../parse-document.ts';
import { DataSection } from './data-section.ts';
import { DeliverySection } from './delivery-section.ts';
import { EvaluationSection } from './evaluation-section.ts';
import { FeaturesSection } from './features-section.ts';
import { MonitoringSection } from './monitoring-section.ts';
import { checkReferences } from './references.ts';
import { RetrainingSection } from './retraining-section.ts';
import { ServingSection } from './serving-section.ts';
import { TrainingSection } from './training-section.ts';

/**
 * What a user writes in models/<name>/model.ts: one plain, serialisable object. Unknown keys and
 * sections that are not available are refused, so that nothing written here is ever ignored.
 */
export const ModelDefinition = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]{1,30}[a-z0-9]$/, {
      error:
        'use 3 to 32 lower-case letters, digits and dashes, starting with a letter, as in flight-delay',
    }),
    description: z.string().max(500).default(''),
    data: DataSection,
    features: FeaturesSection,
    training: TrainingSection,
    evaluation: EvaluationSection,
    serving: ServingSection,
    delivery: DeliverySection,
    monitoring: MonitoringSection.prefault({}),
    retraining: RetrainingSection.prefault({}),
  })
  .superRefine(checkReferences);

export type ModelDefinition = z.infer<typeof ModelDefinition>;
/** The same object as a user may write it: what has a default can be left out. */
export type ModelDefinitionInput = z.input<typeof ModelDefinition>;

/**
 * Checks a model's definition and fills in its defaults.
 * @throws InvalidDocumentError naming path, value and fix of everything that is wrong.
 */
export function defineModel(definition: ModelDefinitionInput): ModelDefinition {
  const name = (definition as { name?: unknown } | undefined)?.name;
  return parseDocument(ModelDefinition, definition, `models/${String(name ?? '?')}/model.ts`);
}

/** Hash of the canonical definition, defaults included: part of lineage and of a training's identity. */
export const modelHash = (definition: ModelDefinition): string => hashOf(definition);
