import { measure } from '../../adapters/embedded-metrics.ts';
import type { cacheMeasurements } from '../../core/inference/cache/cache-usage.ts';
import { ServingMetrics } from '../../core/inference/serving-metrics.ts';

/** CloudWatch takes so many values of a metric from one line. */
const valuesPerLine = 100;
/** Lines of a level about single requests a second: more of them say nothing more. */
const mostTold = 10;

const milliseconds = (value: number | readonly number[]) =>
  ({ value, unit: 'Milliseconds' }) as const;
const count = (value: number) => ({ value, unit: 'Count' }) as const;

/** Three digits: a thousandth of a millisecond of a fast answer, and no longer lines than need be. */
const rounded = (ms: number): number => Number(ms.toPrecision(3));

/** What happened to a model's requests, written once a second rather than once a request. */
export class ModelMetrics {
  readonly #model: string;
  #latencies: number[] = [];
  #errors = 0;
  #refused: Record<number, number> = {};
  #told = { warn: 0, error: 0 };

  constructor(model: string) {
    this.#model = model;
  }

  answered(latencyMs: number): void {
    this.#latencies.push(rounded(latencyMs));
  }

  /** @param fields of the line about it, made only if it is written */
  refused(status: number, message: string, fields: () => object): void {
    this.#refused[status] = (this.#refused[status] ?? 0) + 1;
    if (status >= 500) this.#errors += 1;
    this.#tell(status < 500 ? 'warn' : 'error', message, () => ({ status, ...fields() }));
  }

  failed(message: string, fields: object, isError: boolean): void {
    if (isError) this.#errors += 1;
    this.#tell('error', message, () => fields);
  }

  #tell(level: 'warn' | 'error', message: string, fields: () => object): void {
    this.#told[level] += 1;
    if (this.#told[level] <= mostTold) measure(this.#model, {}, level, message, { ...fields() });
  }

  /** Writes what has happened since it last did. */
  write(logDropped: number, cache: ReturnType<typeof cacheMeasurements> = {}): void {
    const latencies = this.#latencies;
    const { warn, error } = this.#told;
    const untold = Math.max(0, warn - mostTold) + Math.max(0, error - mostTold);
    const refused = this.#refused;
    const anything = latencies.length > 0 || this.#errors > 0 || logDropped > 0;
    if (anything || Object.keys(refused).length > 0) {
      const errors = count(this.#errors);
      const first = latencies.slice(0, valuesPerLine);
      measure(
        this.#model,
        {
          ...(first.length > 0 && { [ServingMetrics.latencyMs]: milliseconds(first) }),
          [ServingMetrics.errors]: errors,
          ...(logDropped > 0 && { [ServingMetrics.logDropped]: count(logDropped) }),
          ...cache,
        },
        this.#errors + logDropped > 0 ? 'warn' : 'info',
        'requests of a second',
        { answered: latencies.length, refused, untold },
      );
      for (let at = valuesPerLine; at < latencies.length; at += valuesPerLine) {
        const values = milliseconds(latencies.slice(at, at + valuesPerLine));
        measure(this.#model, { [ServingMetrics.latencyMs]: values }, 'info', 'more of them');
      }
    }
    this.#latencies = [];
    this.#refused = {};
    this.#errors = 0;
    this.#told = { warn: 0, error: 0 };
  }

  /** Written also while nobody asks, so that a service that has nothing to do is seen to have nothing. */
  writeQueuedWork(queuedWorkMs: number): void {
    const queued = { [ServingMetrics.queuedWorkMs]: milliseconds(rounded(queuedWorkMs)) };
    measure(this.#model, queued, 'info', 'work that waits');
  }
}
