import { parentPort, workerData } from 'node:worker_threads';
import type {
  ModelInput,
  ModelOutput,
  ModelSession,
  SessionRequest,
} from '../core/inference/versions/loaded-version.ts';
import { createModelSession } from './model-session.ts';
import { errorFields } from './structured-log.ts';
import { typicalRunMs } from './typical-run.ts';

/** What a thread is asked for; a session is opened before it is run. */
export type ToWorker =
  | { readonly ask: 'open'; readonly session: number; readonly request: SessionRequest }
  | { readonly ask: 'measure'; readonly session: number; readonly call: number }
  | {
      readonly ask: 'run';
      readonly session: number;
      readonly call: number;
      readonly input: ModelInput;
    }
  | { readonly ask: 'close'; readonly session: number }
  /** Ends the thread, when it has let its sessions go. */
  | { readonly ask: 'end' };

/** What a thread answers to a call. */
export type FromWorker = { readonly call: number } & (
  | { readonly output: ModelOutput }
  | { readonly runMs: number }
  | { readonly error: unknown }
);

/** Says that a worker thread was started to compute, whatever its file is besides. */
export const onnxWorkerRole = 'slipway-onnx-worker';
export const isOnnxWorker = (): boolean => workerData === onnxWorkerRole;

/** Answers the calls of the thread that started this one, in their order. */
export function serveOnnxWorker(): void {
  const port = parentPort;
  if (!port) throw new Error('this is the main thread');
  const sessions = new Map<number, { request: SessionRequest; opened: Promise<ModelSession> }>();

  async function answer(message: Extract<ToWorker, { readonly call: number }>) {
    const session = sessions.get(message.session);
    if (!session) throw new Error('the session was never opened, or is closed');
    const opened = await session.opened;
    if (message.ask === 'measure')
      return { runMs: await typicalRunMs(opened, session.request.spec) };
    return { output: await opened.run(message.input) };
  }

  port.on('message', (message: ToWorker) => {
    if (message.ask === 'open') {
      const opened = createModelSession(message.request);
      // Whoever calls the session is told.
      opened.catch(() => undefined);
      sessions.set(message.session, { request: message.request, opened });
    } else if (message.ask === 'close') {
      const session = sessions.get(message.session);
      sessions.delete(message.session);
      session?.opened.then((opened) => opened.release()).catch(() => undefined);
    } else if (message.ask === 'end') {
      const opened = [...sessions.values()].map((session) => session.opened);
      const released = opened.map((one) => one.then((session) => session.release()));
      void Promise.allSettled(released).then(() => port.close());
    } else {
      const { call } = message;
      answer(message).then(
        (answered) => port.postMessage({ call, ...answered } satisfies FromWorker),
        (error: unknown) => port.postMessage({ call, ...errorFields(error) }),
      );
    }
  });
}
