import * as z from 'zod';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  BuildFeaturesEnvironment,
  BuildFeaturesEvent,
  BuildFeaturesResult,
} from './build-features.contract.ts';
import { buildFeatures } from './build-features.ts';
import { DescribeFeaturesEvent, DescribeFeaturesResult } from './describe-features.contract.ts';
import { describeFeatures } from './describe-features.ts';

const environment = parseEnvironment(BuildFeaturesEnvironment, process.env);
const definition = loadModelDefinition(environment.LAMBDA_TASK_ROOT);
const data = s3Objects({ bucket: environment.DATA_BUCKET });

export const handler = stepHandler(
  {
    event: z.union([DescribeFeaturesEvent, BuildFeaturesEvent]),
    result: z.union([BuildFeaturesResult, DescribeFeaturesResult]),
  },
  async (event) =>
    'importId' in event
      ? describeFeatures(data, definition, event)
      : buildFeatures(data, definition, event),
);
