/**
 * Brings lines into the store, request by request, until each is known to be stored or refused.
 *
 *   lines ─ POST ─┬─ stored
 *                 ├─ some refused ────────────→ halved, down to the single line
 *                 └─ no answer ───────────────→ thrown; the next requests are smaller
 *
 * What an attempt that fails has brought about is remembered, so that the next one begins there.
 */
import { LRUCache } from "lru-cache";
import type { Answer } from "./http.ts";
import { judge, leavesDoubt } from "./http-status.ts";
import { DEVICE_STATUS } from "./line-protocol.ts";

export interface LineWriterOptions {
  readonly maxLinesPerRequest: number;
  /** A request without an answer by then is given up. Milliseconds. */
  readonly timeoutMs: number;
}

/** One call of `write`. */
interface Writing {
  readonly lines: readonly string[];
  readonly signal: AbortSignal;
  readonly stored: number[];
  readonly rejected: number[];
}

/** Lines of a batch whose time ran out; its next attempt starts from there. */
const MAX_REMEMBERED_LINES = 20_000;
const REMEMBERED_MS = 10 * 60_000;
const MIN_LINES_PER_REQUEST = 50;
/** A request that took no more than this part of its time may be followed by one twice as large. */
const QUICK = 0.25;

export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #post: (body: string, signal: AbortSignal) => Promise<Answer>;
  readonly #refused = new LRUCache<string, true>({ max: MAX_REMEMBERED_LINES, ttl: REMEMBERED_MS });
  readonly #stored = new LRUCache<string, true>({ max: MAX_REMEMBERED_LINES, ttl: REMEMBERED_MS });
  #linesPerRequest: number;

  constructor(options: LineWriterOptions, post: (body: string, signal: AbortSignal) => Promise<Answer>) {
    this.#options = options;
    this.#post = post;
    this.#linesPerRequest = options.maxLinesPerRequest;
  }

  /**
   * Indexes of the lines that the server refuses; every other line is stored when this returns. Throws
   * SINK_UNAVAILABLE or SINK_DENIED.
   */
  async write(lines: readonly string[], signal: AbortSignal): Promise<number[]> {
    const writing: Writing = { lines, signal, stored: [], rejected: [] };
    try {
      for (let from = 0; from < writing.lines.length; ) {
        const group: number[] = [];
        for (; from < writing.lines.length && group.length < this.#linesPerRequest; from += 1) {
          const line = writing.lines[from] ?? "";
          if (this.#refused.size > 0 && this.#refused.has(line)) writing.rejected.push(from);
          else if (this.#stored.size === 0 || !this.#stored.has(line)) group.push(from);
        }
        if (group.length > 0) await this.#group(writing, group);
      }
    } catch (error) {
      this.#remember(writing);
      throw error;
    }
    // Once the caller knows, they are no longer known here: sent again after a repair, they deserve another try.
    for (const index of writing.rejected) this.#refused.delete(writing.lines[index] ?? "");
    if (this.#stored.size > 0) for (const line of writing.lines) this.#stored.delete(line);
    return writing.rejected.sort((a, b) => a - b);
  }

  /** To be called when rows were deleted: what is known about the store no longer holds. */
  forget(): void {
    this.#stored.clear();
  }

  async #group(writing: Writing, whole: readonly number[]): Promise<void> {
    const pending = [whole];
    for (let group = pending.pop(); group !== undefined; group = pending.pop()) {
      const body = group.map((index) => writing.lines[index]).join("\n");
      const answer = await this.#send(body, group.length, writing.signal);
      const verdict = judge(answer, group.length);
      if (verdict === "stored") {
        writing.stored.push(...group);
      } else if (verdict === "all-refused" || group.length === 1) {
        for (const index of group) writing.rejected.push(index);
      } else {
        pending.push(...halves(group));
      }
    }
  }

  async #send(body: string, lineCount: number, signal: AbortSignal): Promise<Answer> {
    const startedAt = performance.now();
    const answer = await this.#post(body, signal);
    if (leavesDoubt(answer)) {
      // A store that is slow would otherwise be asked for the same again and never get it done in time.
      this.#linesPerRequest = Math.max(MIN_LINES_PER_REQUEST, Math.min(this.#linesPerRequest, lineCount) >> 1);
    } else if (lineCount >= this.#linesPerRequest && performance.now() - startedAt < this.#options.timeoutMs * QUICK) {
      this.#linesPerRequest = Math.min(this.#options.maxLinesPerRequest, this.#linesPerRequest * 2);
    }
    return answer;
  }

  #remember({ lines, stored, rejected }: Writing): void {
    for (const index of rejected) this.#refused.set(lines[index] ?? "", true);
    for (const index of stored) {
      const line = lines[index] ?? "";
      // A place that comes back later is the same line, and may have been overwritten since.
      if (line.startsWith(DEVICE_STATUS)) this.#stored.set(line, true);
    }
  }
}

/** The first one last, to be taken first. */
function halves(group: readonly number[]): (readonly number[])[] {
  const middle = group.length >> 1;
  return [group.slice(middle), group.slice(0, middle)];
}
