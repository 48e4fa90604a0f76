import * as z from 'zod';
import { ModelImport } from '../../core/registry/declared-lineage.ts';

export const PlanImportEvent = z.object({ runId: z.string(), import: ModelImport });
