/** From inclusive, to exclusive. */
export interface TimeWindow {
  readonly from: Date;
  readonly to: Date;
}

export const hourMs = 3_600_000;

/** The last hours before an instant. */
export const windowBefore = (to: Date, hours: number): TimeWindow => ({
  from: new Date(to.getTime() - hours * hourMs),
  to,
});

/** An hour of the prediction log: dt=2026-11-25/hour=09. */
export type LogHour = string;

/**
 * The hours of the log that can hold a window's predictions, in ascending order. A record is in the hour in
 * which it came to the log, which is never before it was made.
 */
export function logHours({ from, to }: TimeWindow): LogHour[] {
  const hours: LogHour[] = [];
  let at = Math.floor(from.getTime() / hourMs) * hourMs;
  for (; at <= to.getTime(); at += hourMs) {
    const [date, time = ''] = new Date(at).toISOString().split('T');
    hours.push(`dt=${date}/hour=${time.slice(0, 2)}`);
  }
  return hours;
}

export const logPrefix = (model: string, hour: LogHour): string => `predictions/${model}/${hour}/`;
