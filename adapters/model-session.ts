import type { ModelSession, SessionRequest } from '../core/inference/versions/loaded-version.ts';

/**
 * What computes a version's answers.
 * @throws UnfitGraphError when a graph does not have the form that every model of the platform has.
 */
export async function createModelSession(
  request: SessionRequest,
  /** How long a container's answer is waited for. */
  containerLimitMs?: number,
): Promise<ModelSession> {
  // What a model does not need shall not make the start of its endpoint longer.
  if (request.runtime === 'onnx') {
    const { createOnnxSession } = await import('./onnx-session.ts');
    return createOnnxSession(request);
  }
  const { createEndpointSession } = await import('./sagemaker-endpoint-session.ts');
  return createEndpointSession(
    request,
    containerLimitMs === undefined ? {} : { limitMs: containerLimitMs },
  );
}
