// How many rows a second ONNX Runtime answers in this process, one row a run, without any server around it.
// Arguments: a graph's file, seconds. Prints the number.
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [file = '', seconds = '1'] = process.argv.slice(2);
const width = 20;
const session = await InferenceSession.create(file, {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});

async function rowsPerSecond(forMs: number): Promise<number> {
  const startedAt = performance.now();
  let rows = 0;
  while (performance.now() - startedAt < forMs) {
    const features = new Tensor(
      'float32',
      Float32Array.from({ length: width }, () => rows % 7),
      [1, width],
    );
    await session.run({ features }, ['prediction']);
    rows += 1;
  }
  return (rows * 1_000) / (performance.now() - startedAt);
}

await rowsPerSecond(500);
process.stdout.write(String(Math.round(await rowsPerSecond(Number(seconds) * 1_000))));
