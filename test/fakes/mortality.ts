/** The process died before a call: what it had done stays, nothing after it happens. */
class Killed extends Error {
  override readonly name = 'Killed';
}

/** Lets a process die at any of its calls to the world. */
export class Mortality {
  private callsLeft = Number.POSITIVE_INFINITY;

  /** A port at whose calls the process may die. */
  port<Port extends object>(port: Port): Port {
    const calls = Object.entries(port).map(([name, call]) => [
      name,
      async (...args: unknown[]) => {
        this.callsLeft -= 1;
        if (this.callsLeft < 0) throw new Killed();
        return call(...args);
      },
    ]);
    return Object.fromEntries(calls) as Port;
  }

  /** Runs a process that dies after so many calls; undefined where it did. */
  async run<Result>(
    process: () => Promise<Result>,
    callsUntilKilled = Number.POSITIVE_INFINITY,
  ): Promise<{ readonly result: Result } | undefined> {
    this.callsLeft = callsUntilKilled;
    try {
      return { result: await process() };
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      return undefined;
    } finally {
      this.callsLeft = Number.POSITIVE_INFINITY;
    }
  }
}
