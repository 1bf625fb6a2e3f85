/** Read, decide what to append, append; again from the start when another writer was first. */
import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { NO_SUBJECT_KEY } from "../model/consent.ts";
import type { LedgerChange } from "../model/consent-change.ts";
import { GatewayError } from "../model/errors.ts";
import type { SubjectTag } from "../model/ids.ts";
import { roomFor } from "./ledger-bound.ts";
import type { LedgerStore, SubjectLedger } from "./ledger-store.ts";
import { type Draft, planChange } from "./plan-change.ts";

export interface ChangeOptions {
  /** A fresh random subject key, wrapped by the master key; only consent needs one. */
  createSubjectKey?(): string;
  /** Unix ms. */
  now(): number;
  /** Events after which nothing is added that lets a device do more. */
  readonly wideningLimit?: number;
  /** Notes down, outside Redis, that less is allowed from `fence` on; the change is not answered before. */
  narrowing?(tag: SubjectTag, fence: number): Promise<void>;
}

const MAX_ATTEMPTS = 12;
const MAX_BACKOFF_MS = 40;

/**
 * `draft` may be asked more than once and answers `undefined` when nothing is to be appended.
 * Throws `CONSENT_UNREACHABLE`, `CONSENT_CONFLICT`, `LEDGER_BROKEN`, `LEDGER_FULL`.
 */
export async function changeLedger(
  store: LedgerStore,
  tag: SubjectTag,
  options: ChangeOptions,
  draft: (ledger: SubjectLedger) => Draft | undefined,
): Promise<LedgerChange> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const before = await store.read(tag);
    const body = draft(before);
    if (body === undefined) return { fence: before.state.fence, narrowed: false, silenced: [] };
    const created = body.type === "given" || body.type === "reconfirmed" ? options.createSubjectKey?.() : undefined;
    const wrappedSubjectKey = before.wrappedSubjectKey ?? created ?? NO_SUBJECT_KEY;
    const planned = planChange(before, body, { wrappedSubjectKey, now: options.now() });
    const room = roomFor(body.type, before.events.length, planned.takesAway, options.wideningLimit);
    if (room === "full") throw new GatewayError("LEDGER_FULL", body.type);
    if (room === "nothing") return { fence: before.state.fence, narrowed: false, silenced: [] };
    // Side by side: a journal that can't be written must keep the answer back, never the withdrawal itself.
    const noted = planned.change.narrowed ? options.narrowing?.(tag, planned.state.fence) : undefined;
    const [appended, note] = await Promise.allSettled([store.append(before, planned), noted]);
    if (appended.status === "rejected") throw appended.reason;
    if (note.status === "rejected") throw note.reason;
    if (appended.value) return planned.change;
    await delay(randomInt(MAX_BACKOFF_MS) + 1);
  }
  throw new GatewayError("CONSENT_CONFLICT", "appending to a ledger");
}
