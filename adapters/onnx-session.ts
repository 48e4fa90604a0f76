import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelSession } from '../core/inference/loaded-version.ts';

/** A graph that does not have the form every model of the platform has. */
export class UnfitGraphError extends Error {
  override readonly name = 'UnfitGraphError';
}

// One thread: ONNX Runtime counts the host's cores, not this container's share of them, and its
// threads spin while they wait.
const sessionOptions: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
};

const listed = (names: readonly string[]): string => names.join(', ') || 'none';

/**
 * Loads a graph with the input `features`, FP32 [N, width], and the output `prediction`, FP32 [N, 1].
 * @throws UnfitGraphError when it has other inputs or no such output, or is no graph at all.
 */
export async function createOnnxSession(onnx: Uint8Array, width: number): Promise<ModelSession> {
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(onnx, sessionOptions);
  } catch (cause) {
    throw new UnfitGraphError('ONNX Runtime does not load the model; export it again', { cause });
  }
  const { inputNames, outputNames } = session;
  if (inputNames.join() !== 'features' || !outputNames.includes('prediction')) {
    await session.release();
    throw new UnfitGraphError(
      `a model has the input 'features' and the output 'prediction'; this one has the inputs ${listed(inputNames)} and the outputs ${listed(outputNames)}`,
    );
  }
  return {
    async run(features, rows) {
      const feeds = { features: new Tensor('float32', features, [rows, width]) };
      const { prediction } = await session.run(feeds, ['prediction']);
      if (!(prediction?.data instanceof Float32Array)) {
        throw new UnfitGraphError(`the output 'prediction' is ${prediction?.type}, not float32`);
      }
      return prediction.data;
    },
    release: () => session.release(),
  };
}
