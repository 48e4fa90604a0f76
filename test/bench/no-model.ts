// Slipway's own HTTP server without a model: the same bytes come in, and a reply of the same form goes out,
// made once. What it costs is what HTTP costs.
import { admissionLimits } from '../../containers/inference-server/admission.ts';
import { HttpServer } from '../../containers/inference-server/http-server.ts';

const rowsOf = (body: Uint8Array): number => {
  const start = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, 200));
  return Number(/"shape":\[(\d+)/.exec(start.toString('latin1'))?.[1] ?? 1);
};

function replyFor(rows: number): Buffer {
  const numbers = Array.from({ length: rows }, (_, i) => 0.1234567 + i / 1e6);
  const ids = numbers.map((_, i) => `bench-1-01k2q3r4s5t6v7w8x9y0z-${i}`);
  return Buffer.from(
    JSON.stringify({
      model_name: 'bench',
      model_version: '1',
      outputs: [
        { name: 'prediction', datatype: 'FP32', shape: [rows], data: numbers },
        { name: 'prediction_id', datatype: 'BYTES', shape: [rows], data: ids },
      ],
    }),
  );
}

const replies = new Map<number, Buffer>();

const server = new HttpServer({
  port: Number(process.env['PORT']),
  limits: admissionLimits(1_000),
  timedOut: () => undefined,
  notAdmitted: () => undefined,
  answer: async ({ body }) => {
    const rows = rowsOf(body);
    const known = replies.get(rows) ?? replyFor(rows);
    replies.set(rows, known);
    return { status: 200, headers: { 'Content-Type': 'application/json' }, body: known };
  },
});
await server.listen();
process.on('SIGTERM', () => process.exit(0));
