// From the start of this process to its first prediction, by one of two ways:
//   bare <model.onnx> <width>: ONNX Runtime, a session, a run
//   handler <index.js> <event.json>: the bundled function, as Lambda's runtime calls it
// Prints a JSON object: milliseconds since the process began, and of processor time after Node was up.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const [way, file, argument] = process.argv.slice(2);
const codeAt = performance.now();
const cpuAt = process.cpuUsage();

async function bare() {
  const { InferenceSession, Tensor } = require('onnxruntime-node');
  const session = await InferenceSession.create(readFileSync(file), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  });
  const width = Number(argument);
  const features = new Tensor('float32', new Float32Array(width), [1, width]);
  const { prediction } = await session.run({ features }, ['prediction']);
  return [...prediction.data];
}

async function handler() {
  // AWS is asked over TLS, and what stands in for it here is not.
  require('node:https');
  const { handler } = require(file);
  const loadedAt = performance.now();
  const context = { awsRequestId: 'bench', getRemainingTimeInMillis: () => 25_000 };
  const reply = await handler(JSON.parse(argument), context);
  if (reply.statusCode !== 200) throw new Error(`${reply.statusCode} ${reply.body}`);
  return { loadedAt, predictions: JSON.parse(reply.body).predictions };
}

const answer = way === 'bare' ? { predictions: await bare() } : await handler();
const predictedAt = performance.now();
const { user, system } = process.cpuUsage(cpuAt);
const cpuMs = (user + system) / 1_000;
process.stdout.write(`\n${JSON.stringify({ codeAt, predictedAt, cpuMs, ...answer })}\n`, () =>
  process.exit(0),
);
