import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  JoinLabelsEnvironment,
  JoinLabelsEvent,
  JoinLabelsResult,
} from './join-labels.contract.ts';
import { joinLabels } from './join-labels.ts';

const environment = parseEnvironment(JoinLabelsEnvironment, process.env);
const definition = loadModelDefinition(environment.LAMBDA_TASK_ROOT);
const data = s3Objects({ bucket: environment.DATA_BUCKET });

export const handler = stepHandler({ event: JoinLabelsEvent, result: JoinLabelsResult }, () =>
  joinLabels(data, definition, new Date()),
);
