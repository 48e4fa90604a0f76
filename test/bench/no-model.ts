// Slipway's own HTTP server without a model: a body is parsed into the numbers that a model would get, and a reply of
// the same form is written. No check, no version, no id, no batch, no log: what is left is what any server pays.
import { admissionLimits } from '../../containers/inference-server/admission.ts';
import { HttpServer } from '../../containers/inference-server/http-server.ts';

interface Asked {
  readonly inputs: readonly {
    readonly shape: readonly number[];
    readonly data: readonly number[];
  }[];
}

const idsOf = (rows: number): string[] =>
  Array.from({ length: rows }, (_, row) => `small-v1-0198c0de4b7d7a3f9d2e51c86ab04f17-${row}`);

/** By the number of rows: they are made once. */
const ids = new Map<number, readonly string[]>();

function replyTo(body: Uint8Array): string {
  const { inputs }: Asked = JSON.parse(
    Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString(),
  );
  const features = Float32Array.from(inputs[0]?.data ?? []);
  const rows = inputs[0]?.shape[0] ?? 1;
  const known = ids.get(rows) ?? idsOf(rows);
  ids.set(rows, known);
  return JSON.stringify({
    model_name: 'small',
    model_version: '1',
    outputs: [
      {
        name: 'prediction',
        datatype: 'FP32',
        shape: [rows],
        data: [...features.subarray(0, rows)],
      },
      { name: 'prediction_id', datatype: 'BYTES', shape: [rows], data: known },
    ],
  });
}

const server = new HttpServer({
  port: Number(process.env['PORT']),
  limits: admissionLimits(1_000),
  timedOut: () => undefined,
  notAdmitted: () => undefined,
  answer: async ({ body }) => ({
    status: 200,
    headers: { 'Content-Type': 'application/json' },
    // The readiness that the bench waits for is asked without a body.
    body: body.byteLength === 0 ? '{}' : replyTo(body),
  }),
});
await server.listen();
process.on('SIGTERM', () => process.exit(0));
