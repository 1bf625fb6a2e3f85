/**
 * Fixes the time of the row of a message at admission: the device's own clock when it is plausible, the time of
 * receipt otherwise, and six digits below the millisecond that tell no one anything. They rest sealed with the
 * message, so that a retry behind the queue writes the same row.
 *
 *   with `id` and a usable `ts`   HMAC(key, device ‖ ts ‖ id): a repeat overwrites itself, whichever gateway it meets
 *   otherwise                     drawn at random, growing with each message of the device within the millisecond
 *
 * No two messages get the same time while either is remembered, and a repeat gets its own again.
 */
import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomFillSync } from "node:crypto";
import type { LRUCache } from "lru-cache";
import type { DeviceKey } from "../../model/ids.ts";
import type { RawTelemetry } from "../../model/raw.ts";
import { boundedCache } from "../../platform/bounded-cache.ts";
import { NOBODY, RecentRows, SUBDIVISIONS } from "./recent-rows.ts";

export interface MessageTimesOptions {
  readonly clockWindowPastMs: number;
  readonly clockWindowFutureMs: number;
}

export interface MessageTime {
  /** Unix ms. */
  readonly at: number;
  /** 0–999,999. */
  readonly sub: number;
  /** Taken for an earlier message that was sent again: it overwrites that one's row. */
  readonly repeat: boolean;
  /** By what a repeat of it is known; to be told when there is no row that one could repeat. */
  readonly seen?: Seen;
}

/** The newest row time of a connection whose digits were drawn. */
export interface RowOrder {
  /** The time of its message; `at` is that, or a millisecond more when there was no room left. */
  time: number;
  at: number;
  sub: number;
  /** Whether it ever told a time of its own: only then another of its messages can have that of a drawn one. */
  tellsTime: boolean;
}

/** One message as far as its time goes. */
export interface Untimed {
  readonly publisher: { readonly key: DeviceKey; readonly order: RowOrder };
  /** Index into `PARTS`. */
  readonly part: number;
  readonly text: string;
  /** Unix ms. */
  readonly receivedAt: number;
  /** Monotonic ms of its arrival. */
  readonly startedAt: number;
}

/** A message with an id and no usable `ts`, as it came last. */
export interface Seen {
  readonly at: number;
  readonly sub: number;
  readonly content: string;
  /** Monotonic ms: how long ago it came must not depend on a clock that is put right. */
  readonly startedAt: number;
  /** It was refused: what comes now under its id is a message of its own. */
  refused: boolean;
}

/** For this long a message that repeats an id without a usable `ts`, and its content, counts as sent again. */
const REPEAT_MS = 10 * 60_000;
const REMEMBERED_IDS = 100_000;
/** Of the digits of two messages of a device in one millisecond, at most. */
const MAX_GAP = 100;
const DRAWN = 1_024;
/** As many as a double holds exactly. */
const NUMBER_BYTES = 6;

/** Neither Redis nor the store holds it: out of what stands there no one can test which id a time was made of. */
export function rowTimeKey(lookupKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", lookupKey, Buffer.alloc(0), "consentry row times 1", 32));
}

export class MessageTimes {
  readonly #options: MessageTimesOptions;
  readonly #clockReplaced: () => void;
  readonly #key: KeyObject;
  readonly #rows = new RecentRows();
  readonly #seen: LRUCache<string, Seen> = boundedCache(REMEMBERED_IDS);
  readonly #drawn = new Uint32Array(DRAWN);
  #left = 0;

  constructor(options: MessageTimesOptions, key: Buffer, clockReplaced: () => void) {
    this.#options = options;
    this.#key = createSecretKey(key);
    this.#clockReplaced = clockReplaced;
  }

  fix(message: Untimed, { ts, id }: Pick<RawTelemetry, "ts" | "id">): MessageTime {
    const { publisher, receivedAt } = message;
    const { key: device, order } = publisher;
    if (ts !== undefined) order.tellsTime = true;
    const early = ts !== undefined && ts > receivedAt;
    if (ts !== undefined && this.#isUsable(ts, receivedAt)) {
      if (id === undefined) return this.#ordered(publisher, Math.trunc(ts));
      // What came first when its `ts` lay too far ahead has its time already.
      return (early && this.#again(message, id)) || this.#named(device, Math.trunc(ts), id);
    }
    if (ts !== undefined && id !== undefined && !early && this.#grewOld(device, Math.trunc(ts), id)) {
      return this.#named(device, Math.trunc(ts), id);
    }
    if (ts !== undefined) this.#clockReplaced();
    if (id === undefined) return this.#ordered(publisher, receivedAt);
    return this.#again(message, id) ?? this.#first(message, id);
  }

  #isUsable(ts: number, receivedAt: number): boolean {
    const { clockWindowPastMs, clockWindowFutureMs } = this.#options;
    return ts >= receivedAt - clockWindowPastMs && ts <= receivedAt + clockWindowFutureMs;
  }

  /** Sent again after the window has passed over its `ts`. */
  #grewOld(device: DeviceKey, at: number, id: string): boolean {
    const { sub, owner } = this.#digits(device, at, id);
    return this.#rows.holds(device, at, sub, owner);
  }

  #named(device: DeviceKey, at: number, id: string): MessageTime {
    const digits = this.#digits(device, at, id);
    return { at, ...this.#rows.claim(device, at, digits.sub, digits.owner) };
  }

  /** With the time in it, so that a device that counts from one again does not show the same digits again. */
  #digits(device: DeviceKey, at: number, id: string): { readonly sub: number; readonly owner: number } {
    // As text of one letter for each byte: a buffer costs half as much again.
    const mac = createHmac("sha256", this.#key).update(`${device} ${at} ${id}`).digest("binary");
    return { sub: numberIn(mac, 0) % SUBDIVISIONS, owner: 1 + numberIn(mac, NUMBER_BYTES) };
  }

  /** They grow, so that of two states in one millisecond the later is also the last one in the store. */
  #ordered({ key: device, order }: Untimed["publisher"], time: number): MessageTime {
    // Also in the next millisecond, where those went for which there was no room.
    const goesOn = time === order.time || time === order.at;
    const wanted = goesOn ? order.sub + 1 + this.#draw(MAX_GAP) : this.#draw(SUBDIVISIONS);
    // Too many for what was left of the millisecond: the rest follows in the next.
    const spills = wanted >= SUBDIVISIONS;
    const at = (goesOn ? order.at : time) + (spills ? 1 : 0);
    const drawn = spills ? this.#draw(MAX_GAP) : wanted;
    const sub = order.tellsTime ? this.#rows.claim(device, at, drawn, NOBODY).sub : drawn;
    order.time = time;
    order.at = at;
    order.sub = sub;
    return { at, sub, repeat: false };
  }

  /** The time it had when it came first. A counter that restarted uses an id again too: only equal content is the same message. */
  #again(message: Untimed, id: string): MessageTime | undefined {
    const seen = this.#seen.get(`${message.publisher.key} ${id}`);
    if (seen === undefined || seen.refused) return undefined;
    if (message.startedAt - seen.startedAt > REPEAT_MS || seen.content !== this.#content(message)) return undefined;
    return { at: seen.at, sub: seen.sub, repeat: true, seen };
  }

  #first(message: Untimed, id: string): MessageTime {
    const { publisher, receivedAt, startedAt } = message;
    const { at, sub } = this.#ordered(publisher, receivedAt);
    const seen = { at, sub, content: this.#content(message), startedAt, refused: false };
    this.#seen.set(`${message.publisher.key} ${id}`, seen);
    return { at, sub, repeat: false, seen };
  }

  #content({ part, text }: Untimed): string {
    return createHmac("sha256", this.#key).update(`${part} ${text}`).digest("base64");
  }

  /** At random, from 0 up to `below`, exclusive. */
  #draw(below: number): number {
    if (this.#left === 0) {
      randomFillSync(this.#drawn);
      this.#left = DRAWN;
    }
    this.#left -= 1;
    return (this.#drawn[this.#left] ?? 0) % below;
  }
}

function numberIn(bytes: string, from: number): number {
  let number = 0;
  for (let at = from; at < from + NUMBER_BYTES; at += 1) number = number * 256 + bytes.charCodeAt(at);
  return number;
}
