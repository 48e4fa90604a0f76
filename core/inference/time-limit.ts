export const late = Symbol('late');

/** Settles with the work, or as late when its time is up; what comes after that is nobody's failure. */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T | typeof late> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<typeof late>((resolve) => {
    timer = setTimeout(resolve, limitMs, late);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
