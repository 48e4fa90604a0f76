/** Slack did not take a message; where it may later, the caller tries again. */
export class SlackRefusedError extends Error {
  override readonly name = 'SlackRefusedError';
}

export interface SlackWebhookOptions {
  /** Resolves to the webhook's URL, a secret: it never appears in an error. */
  readonly url: () => Promise<string>;
  readonly attempts?: number;
  readonly timeoutMs?: number;
  readonly pause?: (ms: number) => Promise<void>;
}

const pauseFor = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const mayComeLater = (status: number): boolean => status === 429 || status >= 500;

/** What a failed fetch says, without the address it was for. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}

/** Posts messages to a Slack channel. @throws SlackRefusedError once all attempts have failed. */
export function slackWebhook({
  url,
  attempts = 3,
  timeoutMs = 5_000,
  pause = pauseFor,
}: SlackWebhookOptions) {
  async function attempt(
    message: object,
  ): Promise<{ refusal?: string; again?: boolean; afterMs?: number }> {
    try {
      const reply = await fetch(await url(), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(message),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (reply.ok) return {};
      const said = (await reply.text()).slice(0, 200);
      const seconds = Number(reply.headers.get('retry-after') ?? Number.NaN);
      return {
        refusal: `status ${reply.status}: ${said}`,
        again: mayComeLater(reply.status),
        ...(Number.isFinite(seconds) && { afterMs: Math.min(seconds, 10) * 1_000 }),
      };
    } catch (error) {
      return { refusal: reasonOf(error), again: true };
    }
  }

  return {
    async post(message: object): Promise<void> {
      for (let tried = 1; ; tried += 1) {
        const { refusal, again, afterMs } = await attempt(message);
        if (refusal === undefined) return;
        if (!again || tried >= attempts) {
          throw new SlackRefusedError(
            `Slack did not take the message after ${tried} attempts: ${refusal}; check the webhook that the parameter holds`,
          );
        }
        await pause(afterMs ?? 500 * 2 ** (tried - 1));
      }
    },
  };
}
