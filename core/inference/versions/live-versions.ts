import type { LedgerHead } from '../../delivery/ledger-entry.ts';
import type { PredictionVariant } from '../log/prediction-record.ts';
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
  /**
   * Somebody calls `refresh` every second, as a server does: then no answer waits for the head or for a
   * version while an older one can answer.
   * @default false
   */
  readonly refreshed?: boolean;
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
  readonly version: number;
  readonly loading: Promise<LoadedVersion>;
  readonly startedAt: number;
  loaded?: LoadedVersion;
  failedAt?: number;
  users: number;
}
type LoadedSlot = Slot & { readonly loaded: LoadedVersion };

const isLoaded = (slot: Slot | undefined): slot is LoadedSlot => slot?.loaded !== undefined;

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
 * the background by itself: every use looks at the head's age first, so that an environment that was
 * frozen for an hour is as up to date as any other. What fails leaves the last good version serving.
 */
export class LiveVersions {
  readonly #options: LiveVersionsOptions;
  readonly #now: () => number;
  readonly #slots = new Map<number, Slot>();
  #head: LedgerHead | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: { readonly done: Promise<void>; readonly since: number } | undefined;
  #serving: LoadedSlot | undefined;
  /** All that the head names is loaded, and what is live serves: there is nothing to do but to answer. */
  #inOrder = false;
  #updating: Promise<void> | undefined;

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
  use<Result>(
    call: (version: LoadedVersion, variant: PredictionVariant) => Promise<Result>,
  ): Promise<Result> {
    const slot = this.#atOnce();
    return slot ? this.#hold(slot, call) : this.#useWhenReady(call);
  }

  /**
   * Reads the head where it is old and loads what it names, so that who is not asked is up to date too.
   * Never rejects, and takes no longer than answers wait.
   */
  refresh(): Promise<void> {
    this.#updating ??= this.#bringUpToDate(patienceMs).finally(() => {
      this.#updating = undefined;
    });
    return this.#updating;
  }

  /** What may answer without a wait. */
  #atOnce(): LoadedSlot | undefined {
    const age = this.#headAge();
    if (!this.#options.refreshed) {
      return this.#inOrder && age < headIsFreshForMs ? this.#serving : undefined;
    }
    if (age >= headIsFreshForMs) void this.refresh();
    // Whoever refreshes may be late, but not as late as this.
    return age < 2 * headIsFreshForMs && this.#mayGoOn() ? this.#serving : undefined;
  }

  /** Milliseconds; a clock that was set back must not keep an old head for as long as that. */
  #headAge(): number {
    const age = this.#now() - this.#readAt;
    return this.#head && age >= 0 ? age : Number.POSITIVE_INFINITY;
  }

  async #useWhenReady<Result>(
    call: (version: LoadedVersion, variant: PredictionVariant) => Promise<Result>,
  ): Promise<Result> {
    await this.#bringUpToDate();
    if (!this.#serving) throw this.#unavailable();
    return this.#hold(this.#serving, call);
  }

  async #hold<Result>(
    slot: LoadedSlot,
    call: (version: LoadedVersion, variant: PredictionVariant) => Promise<Result>,
  ): Promise<Result> {
    slot.users += 1;
    try {
      return await call(slot.loaded, slot.version === this.#head?.live ? 'live' : 'former');
    } finally {
      slot.users -= 1;
      if (slot !== this.#serving) await this.#unloadOld();
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

  /** @param mostMs how long it waits for the version that is rolled back to, or for the first one */
  async #bringUpToDate(mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    await this.#readHeadIfOld();
    const { live, staged, retired } = this.#head ?? {};
    if (retired) this.#serving = undefined;
    // What has to answer comes first; the staged one is not waited for any longer than is due.
    if (live !== undefined && !this.#isServing(live)) {
      await this.#loadPatiently(live, mostMs);
      this.#serve(live);
      if (this.#hasFailed(live) && !this.#mayGoOn()) await this.#serveFormer();
    }
    if (staged !== undefined) await this.#loadPatiently(staged, mostMs);
    await this.#unloadOld();
    this.#inOrder =
      this.#isServing(live) && (staged === undefined || isLoaded(this.#slots.get(staged)));
  }

  #hasFailed(version: number): boolean {
    return this.#slots.get(version)?.failedAt !== undefined;
  }

  /** Whether what answers now may answer until something newer is loaded: not what was rolled back from. */
  #mayGoOn(): boolean {
    return this.#serving !== undefined && !this.#isServing(this.#head?.rolledBackFrom);
  }

  #isServing(version: number | undefined): boolean {
    return version !== undefined && this.#serving?.version === version;
  }

  async #readHeadIfOld(): Promise<void> {
    if (this.#headAge() < headIsFreshForMs) return;
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
      this.#inOrder = false;
    } catch (error) {
      this.#options.onFailure({ what: 'head', error });
    }
    this.#readAt = askedAt;
  }

  async #loadPatiently(version: number, mostMs: number): Promise<void> {
    const slot = this.#slot(version);
    if (slot.loaded || slot.failedAt !== undefined) return;
    const limit = this.#mayGoOn() ? this.#patienceSince(slot.startedAt) : mostMs;
    await settled(slot.loading, limit);
  }

  #slot(version: number): Slot {
    const known = this.#slots.get(version);
    if (known && !this.#mayRetry(known)) return known;
    const slot: Slot = {
      version,
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
    const slot = version === undefined ? undefined : this.#slots.get(version);
    if (isLoaded(slot)) this.#serving = slot;
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
      await this.#loadPatiently(version, Number.POSITIVE_INFINITY);
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
