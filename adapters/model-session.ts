import type { ModelSession, SessionRequest } from '../core/inference/loaded-version.ts';
import { createOnnxSession } from './onnx-session.ts';
import { createEndpointSession } from './sagemaker-endpoint-session.ts';

/**
 * What computes a version's answers.
 * @throws UnfitGraphError when a graph does not have the form that every model of the platform has.
 */
export async function createModelSession(request: SessionRequest): Promise<ModelSession> {
  return request.runtime === 'onnx' ? createOnnxSession(request) : createEndpointSession(request);
}
