// Loaded into the server before its own code: on SIGUSR2 one of its threads is ended, as a crash would.
const workers = new Set();
process.on('worker', (worker) => {
  workers.add(worker);
  worker.on('exit', () => workers.delete(worker));
});
process.on('SIGUSR2', () => {
  const [worker] = workers;
  process.stderr.write(`drill: ${workers.size} threads, ends ${worker ? 'one' : 'none'}\n`);
  worker?.terminate();
});
