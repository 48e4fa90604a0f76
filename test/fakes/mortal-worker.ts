import { existsSync, writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { serveOnnxWorker, type ToWorker } from '../../adapters/onnx-worker.ts';

// As the first feature of a row: what ends each thread that it comes to, and the first of them alone.
const deadly = 666;
const deadlyOnce = 667;

/** A file that is there once a thread has ended. */
const marker = process.env['MORTAL_WORKER_MARKER'] ?? '';

function endsThread(value: number | undefined): boolean {
  if (value === deadly) return true;
  if (value !== deadlyOnce || existsSync(marker)) return false;
  writeFileSync(marker, '');
  return true;
}

// Heard before the thread's own listener: the call is never answered.
parentPort?.on('message', (message: ToWorker) => {
  if (message.ask !== 'run' || message.input.kind !== 'features') return;
  if (endsThread(message.input.features[0])) process.exit(3);
});
serveOnnxWorker();
