import type { ModelSession, SessionRequest } from '../core/inference/loaded-version.ts';
import { createOnnxSession, UnfitGraphError } from './onnx-session.ts';

/**
 * What computes a version's answers.
 * @throws UnfitGraphError when it does not have the form that every model of the platform has.
 */
export async function createModelSession(request: SessionRequest): Promise<ModelSession> {
  if (request.runtime === 'onnx') return createOnnxSession(request);
  throw new UnfitGraphError(
    `the endpoint ${request.endpointName} cannot be asked: this deployment serves ONNX graphs only`,
  );
}
