import type { LedgerHead } from '../delivery/ledger-entry.ts';
import type { LoadedVersion } from './loaded-version.ts';

/** No version of the model has gone live yet: there is nothing to ask. */
export class NotLiveError extends Error {
  override readonly name = 'NotLiveError';

  constructor(model: string) {
    super(
      `model ${model} has no live version yet; drop data into landing/${model}/, or see with \`slipway status ${model}\` how far its first run is`,
    );
  }
}

/** The model was retired: it is not to answer any more. */
export class RetiredError extends Error {
  override readonly name = 'RetiredError';

  constructor(model: string) {
    super(
      `model ${model} is retired and answers no more; \`slipway live ${model} --history\` says since when and why, \`slipway rollback ${model}\` or \`slipway approve ${model} <version>\` brings it back`,
    );
  }
}

/** A version should answer and none can be loaded. */
export class NoVersionLoadedError extends Error {
  override readonly name = 'NoVersionLoadedError';
}

export interface LiveVersionsOptions {
  readonly model: string;
  /** The ledger's head; rejects while the registry cannot be reached. */
  readonly head: () => Promise<LedgerHead>;
  /**
   * Versions that were live before and were not rolled back from, newest first: asked for only when the
   * live one cannot be loaded.
   */
  readonly formerlyLive: () => Promise<readonly number[]>;
  readonly load: (version: number) => Promise<LoadedVersion>;
  /** Told of what went wrong while an older state goes on serving. */
  readonly onFailure: (failure: Failure) => void;
  /** Milliseconds of the wall clock: a monotonic one may stand still while an environment is frozen. */
  readonly now?: () => number;
}

export interface Failure {
  readonly what: 'head' | 'load' | 'unload';
  readonly version?: number;
  readonly error: unknown;
}

/** A head older than this is read again before an answer. */
const headIsFreshForMs = 1_000;
/**
 * How long an answer waits for the head or for a new version while an older one can answer. For the version
 * that is rolled back to it waits until that is loaded: what is rolled back from is known to be bad.
 */
const patienceMs = 900;
/** A version that could not be loaded is not tried again before this has passed. */
const loadRetryMs = 5_000;

/** How many former versions a new environment tries when the live one is refused. */
const formerVersionsTried = 3;

interface Slot {
  readonly loading: Promise<LoadedVersion>;
  readonly startedAt: number;
  loaded?: LoadedVersion;
  failedAt?: number;
  users: number;
}

/** Waits for work to settle, but no longer than it is worth. */
async function settled(work: Promise<unknown>, limitMs: number): Promise<void> {
  if (limitMs <= 0) return;
  const ended = work.then(
    () => undefined,
    () => undefined,
  );
  if (limitMs === Number.POSITIVE_INFINITY) return ended;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([ended, limit]);
  clearTimeout(timer);
}

/**
 * Keeps the versions that the ledger's head names loaded and hands out the live one. Nothing runs in
 * the background: every use looks at the head's age first, so that an environment that was frozen for
 * an hour is as up to date as any other. What fails leaves the last good version serving.
 */
export class LiveVersions {
  readonly #options: LiveVersionsOptions;
  readonly #now: () => number;
  readonly #slots = new Map<number, Slot>();
  #head: LedgerHead | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: { readonly done: Promise<void>; readonly since: number } | undefined;
  #serving: LoadedVersion | undefined;

  constructor(options: LiveVersionsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Calls with the version that answers now; it stays loaded until the call has settled.
   * @throws NotLiveError while no version has gone live.
   * @throws RetiredError while the model is retired.
   * @throws NoVersionLoadedError when one should answer and none could be loaded.
   */
  async use<Result>(call: (version: LoadedVersion) => Promise<Result>): Promise<Result> {
    await this.#bringUpToDate();
    const version = this.#serving;
    const slot = version && this.#slots.get(version.version);
    if (!version || !slot) throw this.#unavailable();
    slot.users += 1;
    try {
      return await call(version);
    } finally {
      slot.users -= 1;
      await this.#unloadOld();
    }
  }

  #unavailable(): Error {
    const { model } = this.#options;
    if (this.#head?.retired) return new RetiredError(model);
    if (this.#head && this.#head.live === undefined) return new NotLiveError(model);
    return new NoVersionLoadedError(
      `no version of ${model} can be loaded at the moment; try again`,
    );
  }

  async #bringUpToDate(): Promise<void> {
    await this.#readHeadIfOld();
    const { live, staged, retired } = this.#head ?? {};
    if (retired) this.#serving = undefined;
    const wanted = [live, staged].filter((version) => version !== undefined);
    if (wanted.every((version) => this.#slots.get(version)?.loaded) && this.#isServing(live))
      return;
    // What has to answer comes first; the staged one is not waited for any longer than is due.
    if (live !== undefined) await this.#loadPatiently(live);
    this.#serve(live);
    if (live !== undefined && !this.#mayGoOn()) await this.#serveFormer();
    if (staged !== undefined) await this.#loadPatiently(staged);
    await this.#unloadOld();
  }

  /** Whether what answers now may answer until something newer is loaded: not what was rolled back from. */
  #mayGoOn(): boolean {
    return this.#serving !== undefined && !this.#isServing(this.#head?.rolledBackFrom);
  }

  #isServing(version: number | undefined): boolean {
    return version !== undefined && this.#serving?.version === version;
  }

  async #readHeadIfOld(): Promise<void> {
    const age = this.#now() - this.#readAt;
    // A clock that was set back must not keep an old head for as long as that.
    if (this.#head && age >= 0 && age < headIsFreshForMs) return;
    this.#reading ??= {
      since: this.#now(),
      done: this.#readHead().finally(() => {
        this.#reading = undefined;
      }),
    };
    const { done, since } = this.#reading;
    // With nothing loaded there is no older answer to fall back on: then the head is waited for.
    await (this.#serving ? settled(done, this.#patienceSince(since)) : done);
  }

  /** What is left of the time that answers wait for work which others may have waited for before. */
  #patienceSince(since: number): number {
    return Math.min(patienceMs, since + patienceMs - this.#now());
  }

  async #readHead(): Promise<void> {
    const askedAt = this.#now();
    try {
      this.#head = await this.#options.head();
    } catch (error) {
      this.#options.onFailure({ what: 'head', error });
    }
    this.#readAt = askedAt;
  }

  async #loadPatiently(version: number): Promise<void> {
    const slot = this.#slot(version);
    if (slot.loaded || slot.failedAt !== undefined) return;
    const limit = this.#mayGoOn() ? this.#patienceSince(slot.startedAt) : Number.POSITIVE_INFINITY;
    await settled(slot.loading, limit);
  }

  #slot(version: number): Slot {
    const known = this.#slots.get(version);
    if (known && !this.#mayRetry(known)) return known;
    const slot: Slot = {
      loading: this.#options.load(version),
      startedAt: this.#now(),
      users: 0,
    };
    this.#slots.set(version, slot);
    slot.loading.then(
      (loaded) => {
        slot.loaded = loaded;
      },
      (error: unknown) => {
        slot.failedAt = this.#now();
        this.#options.onFailure({ what: 'load', version, error });
      },
    );
    return slot;
  }

  #mayRetry({ failedAt }: Slot): boolean {
    return failedAt !== undefined && Math.abs(this.#now() - failedAt) >= loadRetryMs;
  }

  #serve(version: number | undefined): void {
    const loaded = version === undefined ? undefined : this.#slots.get(version)?.loaded;
    if (loaded) this.#serving = loaded;
  }

  /**
   * Where the live version is corrupt and nothing else may answer, as in a new environment, the last one
   * that was live does.
   */
  async #serveFormer(): Promise<void> {
    const former = await this.#options.formerlyLive().catch((error: unknown) => {
      this.#options.onFailure({ what: 'head', error });
      return [];
    });
    for (const version of former.slice(0, formerVersionsTried)) {
      await this.#loadPatiently(version);
      this.#serve(version);
      if (this.#isServing(version)) return;
    }
  }

  async #unloadOld(): Promise<void> {
    const keep = new Set([this.#head?.live, this.#head?.staged, this.#serving?.version]);
    for (const [version, slot] of this.#slots) {
      if (keep.has(version) || slot.users > 0) continue;
      if (!slot.loaded && !this.#mayRetry(slot)) continue;
      this.#slots.delete(version);
      try {
        await slot.loaded?.session.release();
      } catch (error) {
        this.#options.onFailure({ what: 'unload', version, error });
      }
    }
  }
}
