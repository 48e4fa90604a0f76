// The same server without a model: the same bytes come in, a constant reply of the same form goes out.
import fastify from 'fastify';

const app = fastify({ logger: false, bodyLimit: 4 * 1024 * 1024 });
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

const rowsOf = (body: Buffer): number =>
  Number(/"shape":\[(\d+)/.exec(body.subarray(0, 200).toString('latin1'))?.[1] ?? 1);

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

app.get('/v2/models/:model/ready', (_request, reply) => reply.send({ ready: true }));
app.post('/v2/models/:model/infer', (request, reply) => {
  const rows = rowsOf(request.body as Buffer);
  const known = replies.get(rows) ?? replyFor(rows);
  replies.set(rows, known);
  reply.header('content-type', 'application/json').send(known);
});
await app.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
