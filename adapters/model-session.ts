import type { ModelSession, SessionRequest } from '../core/inference/loaded-version.ts';
import { createOnnxSession } from './onnx-session.ts';
import { createEndpointSession } from './sagemaker-endpoint-session.ts';

/**
 * What computes a version's answers.
 * @throws UnfitGraphError when a graph does not have the form that every model of the platform has.
 */
export async function createModelSession(
  request: SessionRequest,
  /** How long a container's answer is waited for. */
  containerLimitMs?: number,
): Promise<ModelSession> {
  if (request.runtime === 'onnx') return createOnnxSession(request);
  return createEndpointSession(
    request,
    containerLimitMs === undefined ? {} : { limitMs: containerLimitMs },
  );
}
