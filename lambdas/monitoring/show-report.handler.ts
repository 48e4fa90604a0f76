import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  ShowReportEnvironment,
  ShowReportEvent,
  ShowReportResult,
} from './show-report.contract.ts';
import { showReport } from './show-report.ts';

const environment = parseEnvironment(ShowReportEnvironment, process.env);
const place = {
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  models: environment.MODELS,
};

export const handler = stepHandler({ event: ShowReportEvent, result: ShowReportResult }, (event) =>
  showReport(place, event, new Date()),
);
