/** For how long whoever publishes a result has it for itself. */
export interface Claim {
  readonly by: string;
  /** Milliseconds of the wall clock. */
  readonly untilMs: number;
}

export interface NewResult {
  /** The same for each delivery of the same event, and for no other event. */
  readonly key: string;
  /** The event's own id. */
  readonly eventId: string;
  /** What is published, to the byte. */
  readonly text: string;
}

/** What is remembered of an event until nobody can deliver it any more. */
export interface KeptResult extends NewResult {
  readonly claim?: Claim | undefined;
  /** Names of the destinations that are known to have it. */
  readonly sentTo: readonly string[];
}

export interface ResultStore {
  /** Keeps a result where none is kept under its key, claimed; gives what is kept there now. */
  keep(result: NewResult, claim: Claim): Promise<KeptResult>;
  /** Claims what is kept, if nothing changed since it was read; gives what is kept now. */
  claim(kept: KeptResult, claim: Claim): Promise<KeptResult>;
  /** Writes down who has it and gives the claim up, if it is still held. */
  note(kept: KeptResult, sentTo: readonly string[]): Promise<void>;
}

export interface Destination {
  readonly name: string;
  /**
   * Sends results in their order, and again what is refused, until the deadline.
   * @returns of those that it did not take, by their keys, why
   */
  send(results: readonly KeptResult[], deadlineMs: number): Promise<ReadonlyMap<string, unknown>>;
}

export interface Publication {
  readonly store: ResultStore;
  readonly destinations: readonly Destination[];
  /** Unlike any other delivery's. */
  readonly by: string;
  /** When no new round begins: what is not published then, the next delivery publishes. */
  readonly deadlineMs: number;
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
  /** Told of a note that could not be written: a later delivery would publish the same once more. */
  readonly onUnnoted?: (key: string, error: unknown) => void;
}

/** first: the result is this delivery's, and not of one before it. */
export type Outcome = { readonly first: boolean } & (
  | { readonly outcome: 'published' }
  /** Every destination had it before. */
  | { readonly outcome: 'known' }
  | { readonly outcome: 'failed'; readonly error: unknown }
);

/** Somebody else is publishing it, or has died while at it. */
export class ClaimedElsewhereError extends Error {
  override readonly name = 'ClaimedElsewhereError';
}

/** Long enough to try again what is throttled, and short enough to wait for one that died. */
export const claimMs = 20_000;
/** The end of a claim is for noting who has it. */
export const noteMs = 5_000;
/** What clocks of two machines may differ by, and a request may be under way for after its sender gave it up. */
const claimSlackMs = 3_000;
const lookAgainMs = 500;

const isPublished = ({ sentTo }: KeptResult, destinations: readonly Destination[]): boolean =>
  destinations.every(({ name }) => sentTo.includes(name));

interface Found {
  readonly kept: KeptResult;
  readonly first: boolean;
}

async function keepOrClaim(
  result: NewResult,
  { store, destinations, now }: Publication,
  claim: Claim,
): Promise<Found> {
  const kept = await store.keep(result, claim);
  if (kept.claim?.by === claim.by) return { kept, first: true };
  const free = !kept.claim || kept.claim.untilMs + claimSlackMs <= now();
  if (!free || isPublished(kept, destinations)) return { kept, first: false };
  return { kept: await store.claim(kept, claim), first: false };
}

interface Round {
  readonly mine: KeptResult[];
  /** Claimed by somebody else: for a later round. */
  readonly others: NewResult[];
  readonly outcomes: Map<string, Outcome>;
}

async function claimAll(
  results: readonly NewResult[],
  publication: Publication,
  claim: Claim,
): Promise<Round & { readonly first: ReadonlySet<string> }> {
  const found = await Promise.allSettled(
    results.map((result) => keepOrClaim(result, publication, claim)),
  );
  const round: Round = { mine: [], others: [], outcomes: new Map() };
  const first = new Set<string>();
  for (const [at, result] of results.entries()) {
    const { key } = result;
    const answer = found[at];
    if (answer?.status !== 'fulfilled') {
      round.outcomes.set(key, { outcome: 'failed', first: false, error: answer?.reason });
      continue;
    }
    const { kept } = answer.value;
    if (answer.value.first) first.add(key);
    if (isPublished(kept, publication.destinations)) {
      round.outcomes.set(key, { outcome: 'known', first: false });
    } else if (kept.claim?.by === claim.by) {
      round.mine.push(kept);
    } else {
      round.others.push(result);
    }
  }
  return { ...round, first };
}

/** One destination after the other: what one of them did not take is not offered to the next. */
async function sendAll(
  mine: readonly KeptResult[],
  { destinations, now }: Publication,
  untilMs: number,
): Promise<{ sentTo: Map<string, string[]>; failures: Map<string, unknown> }> {
  const sentTo = new Map(mine.map(({ key, sentTo: before }) => [key, [...before]]));
  const failures = new Map<string, unknown>();
  for (const { name, send } of destinations) {
    const wanting = mine.filter(
      ({ key }) => !failures.has(key) && !sentTo.get(key)?.includes(name),
    );
    if (wanting.length === 0) continue;
    const tooLate = () => new ClaimedElsewhereError(`the time to send to ${name} was over`);
    const refused: ReadonlyMap<string, unknown> =
      now() < untilMs
        ? await send(wanting, untilMs).catch(
            (error: unknown) => new Map(wanting.map(({ key }) => [key, error])),
          )
        : new Map(wanting.map(({ key }) => [key, tooLate()]));
    for (const { key } of wanting) {
      if (refused.has(key)) failures.set(key, refused.get(key));
      else sentTo.get(key)?.push(name);
    }
  }
  return { sentTo, failures };
}

async function noteAll(
  mine: readonly KeptResult[],
  { store, onUnnoted }: Publication,
  sentTo: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  await Promise.all(
    mine.map((kept) =>
      store
        .note(kept, sentTo.get(kept.key) ?? [])
        .catch((error: unknown) => onUnnoted?.(kept.key, error)),
    ),
  );
}

/** Publishes what can be claimed now; gives what somebody else is publishing. */
async function publishRound(
  results: readonly NewResult[],
  publication: Publication,
  outcomes: Map<string, Outcome>,
): Promise<NewResult[]> {
  const claim = { by: publication.by, untilMs: publication.now() + claimMs };
  const round = await claimAll(results, publication, claim);
  const { sentTo, failures } = await sendAll(round.mine, publication, claim.untilMs - noteMs);
  await noteAll(round.mine, publication, sentTo);
  for (const [key, outcome] of round.outcomes) outcomes.set(key, outcome);
  for (const { key } of round.mine) {
    const first = round.first.has(key);
    const error = failures.get(key);
    outcomes.set(
      key,
      failures.has(key) ? { outcome: 'failed', first, error } : { outcome: 'published', first },
    );
  }
  return round.others;
}

/**
 * Publishes each result once to every destination, however often and by however many at a time its event is
 * delivered: it is kept before it is sent, so that whoever sends it sends the same; it is claimed, so that
 * one alone sends it; and it is noted who has it, so that nobody sends it again. Where a sender dies, or does
 * not learn whether a destination took it, between sending and noting, the same text is sent once more.
 */
export async function publishOnce(
  results: readonly NewResult[],
  publication: Publication,
): Promise<ReadonlyMap<string, Outcome>> {
  const { deadlineMs, now, pause } = publication;
  const outcomes = new Map<string, Outcome>();
  // What is twice in one batch is one event.
  const seen = new Set<string>();
  let waiting = results.filter(({ key }) => !seen.has(key) && seen.add(key));
  for (;;) {
    waiting = await publishRound(waiting, publication, outcomes);
    if (waiting.length === 0) return outcomes;
    if (now() >= deadlineMs) break;
    await pause(lookAgainMs);
  }
  const error = new ClaimedElsewhereError('another delivery of the event is being published');
  for (const { key } of waiting) outcomes.set(key, { outcome: 'failed', first: false, error });
  return outcomes;
}
