/** A request that is repeated until it was answered with a success: an unanswered one promises nothing. */
import { setTimeout as sleep } from "node:timers/promises";

const RETRY_FOR_MS = 90_000;
const RETRY_MS = 200;

export interface Answered<T> {
  readonly answer: T;
  /** How long the request took that was answered. */
  readonly durationMs: number;
}

/** `retried` is told of each failure, with the status if there was an answer. Throws on a refusal, and when it takes too long. */
export async function untilAnswered<T>(
  request: () => Promise<T>,
  retried: (status: number | undefined) => void,
): Promise<Answered<T>> {
  const deadline = performance.now() + RETRY_FOR_MS;
  for (;;) {
    const askedAt = performance.now();
    try {
      const answer = await request();
      return { answer, durationMs: performance.now() - askedAt };
    } catch (error) {
      const { status } = error as { status?: unknown };
      const code = typeof status === "number" ? status : undefined;
      if (!passesByItself(code) || performance.now() > deadline) throw error;
      retried(code);
      await sleep(RETRY_MS);
    }
  }
}

function passesByItself(status: number | undefined): boolean {
  return status === undefined || status >= 500 || status === 409 || status === 429;
}
