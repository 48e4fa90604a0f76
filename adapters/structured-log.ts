type Fields = Readonly<Record<string, unknown>>;

/** Writes one structured line to the log of a function or a server. */
export function log(level: 'info' | 'warn' | 'error', message: string, fields: Fields = {}): void {
  const line = { time: new Date().toISOString(), level, message, ...fields };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** An error as fields of a log line, its causes included. */
export function errorFields(error: unknown): Fields {
  if (!(error instanceof Error)) return { error: { name: 'NonError', message: String(error) } };
  const { name, message, stack, cause } = error;
  return {
    error: { name, message, stack, ...(cause === undefined ? {} : { cause: errorFields(cause) }) },
  };
}
