import type { EndpointReply } from '../http-messages.ts';
import type { Instances } from '../instances.ts';
import type { Prediction } from '../predict.ts';

/** What a protocol made of a request: the rows, and how their predictions are written back. */
export interface Asked {
  readonly instances: Instances;
  readonly reply: (prediction: Prediction) => EndpointReply;
}
