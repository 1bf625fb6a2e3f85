import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceKey } from "../../model/ids.ts";
import type { RawTelemetry } from "../../model/raw.ts";
import { type MessageTime, MessageTimes, type RowOrder, rowTimeKey } from "./message-times.ts";

const now = 1_763_800_000_000;
const HOUR = 3_600_000;
const MINUTE = 60_000;
const KEY = rowTimeKey(Buffer.alloc(32, 1));

interface Sent extends Pick<RawTelemetry, "ts" | "id"> {
  readonly receivedAt?: number;
  /** The same when left out: a clock that no one puts right. */
  readonly startedAt?: number;
  readonly device?: string;
  readonly text?: string;
  readonly part?: number;
}

function setUp(key = KEY) {
  const counts = { replaced: 0 };
  const times = new MessageTimes({ clockWindowPastMs: HOUR, clockWindowFutureMs: 1000 }, key, () => {
    counts.replaced += 1;
  });
  const orders = new Map<string, RowOrder>();
  const fix = ({ ts, id, receivedAt = now, startedAt = receivedAt, ...sent }: Sent): MessageTime => {
    const { device = "device-key", text = "{}", part = 0 } = sent;
    const order = orders.get(device) ?? { time: 0, at: 0, sub: 0, tellsTime: false };
    orders.set(device, order);
    return times.fix({ publisher: { key: device as DeviceKey, order }, part, text, receivedAt, startedAt }, { ts, id });
  };
  const row = (sent: Sent): string => {
    const { at, sub } = fix(sent);
    return `${at}${String(1_000_000 + sub).slice(1)}`;
  };
  return { fix, row, counts };
}

describe("MessageTimes", () => {
  it("takes the device's clock inside the window and the time of receipt outside, and counts that", () => {
    const { fix, counts } = setUp();
    expect(fix({ ts: now - HOUR }).at).toBe(now - HOUR);
    expect(fix({ ts: now + 999.9 }).at).toBe(now + 999);
    for (const ts of [0, -1, now - HOUR - 1, now + 1001, 1e300, Number.MAX_SAFE_INTEGER]) {
      expect(Math.abs(fix({ ts }).at - now)).toBeLessThan(2);
    }
    expect(counts.replaced).toBe(6);
  });

  it("keeps the digits in range for any id", () => {
    const { fix } = setUp();
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 64 }), fc.option(fc.constant(now)), (id, ts) => {
        const { sub } = fix({ id, ...(ts !== null && { ts }), text: id });
        expect(Number.isInteger(sub) && sub >= 0 && sub < 1_000_000).toBe(true);
      }),
    );
  });
});

describe("a message with an id and a usable ts", () => {
  const sent = { id: "m-1", ts: now - 5 };

  it("has the same row forever, on every gateway with the same keys, and says that it is a repeat", () => {
    const { row, fix } = setUp();
    const first = row(sent);
    expect(row({ ...sent, receivedAt: now + HOUR / 2, text: "other" })).toBe(first);
    expect(fix({ ...sent, receivedAt: now + HOUR / 2 }).repeat).toBe(true);
    expect(setUp().row(sent)).toBe(first);
    expect(setUp().fix(sent).repeat).toBe(false);
  });

  it("keeps it when its ts has left the window meanwhile, or has come into it", () => {
    const { row, counts } = setUp();
    const old = row({ id: "old", ts: now - HOUR });
    expect(row({ id: "old", ts: now - HOUR, receivedAt: now + 1 })).toBe(old);
    const early = row({ id: "early", ts: now + 1500 });
    expect(row({ id: "early", ts: now + 1500, receivedAt: now + 600 })).toBe(early);
    expect(counts.replaced).toBe(1);
  });

  it("has digits that depend on the key, the device and the time, and so tell nothing of the id", () => {
    const sub = ({ ts = sent.ts, device = "device-key" }, key = KEY) => setUp(key).fix({ ...sent, ts, device }).sub;
    const subs = [sub({}), sub({ ts: now }), sub({ device: "other" }), sub({}, rowTimeKey(Buffer.alloc(32, 2)))];
    expect(new Set(subs).size).toBe(4);
  });

  it("never shares a row with another, however many share a ts, and all of them keep theirs", () => {
    const { row, fix } = setUp();
    const ids = Array.from({ length: 20_000 }, (_, n) => `m-${String(n).padStart(6, "0")}`);
    const rows = ids.map((id) => row({ id, ts: now }));
    // Without a memory about 200 pairs of so many would have met.
    expect(new Set(rows).size).toBe(ids.length);
    expect(ids.map((id) => row({ id, ts: now }))).toEqual(rows);
    expect(fix({ id: "one more", ts: now }).repeat).toBe(false);
    const drawn = Array.from({ length: 1_000 }, () => row({ ts: now }));
    expect(new Set([...rows, ...drawn]).size).toBe(21_000);
  });
});

describe("a message with an id and no usable ts", () => {
  it("has the time it had first when it comes again with the same content within ten minutes", () => {
    const { row, fix } = setUp();
    const first = row({ id: "m-1" });
    expect(row({ id: "m-1", receivedAt: now + 10 * MINUTE })).toBe(first);
    expect(fix({ id: "m-1", receivedAt: now + 5 }).repeat).toBe(true);
    expect(row({ id: "m-1", receivedAt: now + 5, device: "another" })).not.toBe(first);
  });

  it("is another message with other content, on another topic, or later", () => {
    for (const other of [{ text: '{"a":1}' }, { part: 1 }, { receivedAt: now + 10 * MINUTE + 1 }]) {
      for (const ts of [undefined, 5]) {
        const { fix, row } = setUp();
        const first = row({ id: "1", ts });
        const again = fix({ id: "1", ts, receivedAt: now + 7, ...other });
        expect(again.repeat).toBe(false);
        expect(again.at).toBe({ receivedAt: now + 7, ...other }.receivedAt);
        expect(row({ id: "1", ts, receivedAt: now + 7 })).not.toBe(first);
      }
    }
  });

  it("is a repeat, or none, whichever way the gateway's clock is put right in between", () => {
    for (const jump of [-HOUR, HOUR]) {
      const { fix, row } = setUp();
      const first = row({ id: "1" });
      expect(row({ id: "1", receivedAt: now + jump, startedAt: now + MINUTE })).toBe(first);
      expect(fix({ id: "1", receivedAt: now, startedAt: now + 11 * MINUTE }).repeat).toBe(false);
    }
  });

  it("does not count from a repeat on: a device that says the same all the time is heard every ten minutes", () => {
    const { row } = setUp();
    const rows = new Set<string>();
    for (let minute = 0; minute < 60; minute += 1) rows.add(row({ id: "1", receivedAt: now + minute * MINUTE }));
    expect(rows.size).toBe(6);
  });

  it("does not take the time of one that was refused", () => {
    const { fix } = setUp();
    const first = fix({ id: "1" });
    if (first.seen !== undefined) first.seen.refused = true;
    expect(fix({ id: "1", receivedAt: now + 9 })).toMatchObject({ at: now + 9, repeat: false });
  });
});

describe("messages whose digits are drawn", () => {
  it("keep their order within a millisecond, and never meet", () => {
    const { row } = setUp();
    for (const sent of [{}, { ts: now - 3 }]) {
      const rows = Array.from({ length: 3_000 }, () => row(sent));
      expect(new Set(rows).size).toBe(3_000);
      expect([...rows].sort()).toEqual(rows);
      expect(Number(rows.at(-1)?.slice(0, -6)) - Number(rows[0]?.slice(0, -6))).toBeLessThan(2);
    }
    const mixed = Array.from({ length: 3_000 }, (_, n) =>
      row({ ts: now + (n % 7), ...(n % 2 === 0 && { id: `${n}` }) }),
    );
    expect(new Set(mixed).size).toBe(3_000);
  });

  it("keep it also where those of one millisecond reach into the next", () => {
    const { row } = setUp();
    for (let n = 0; n < 10; n += 1) {
      const device = `d-${n}`;
      const rows = [0, 1, 2].flatMap((ms) =>
        Array.from({ length: 8_000 }, () => row({ device, receivedAt: now + ms })),
      );
      expect(new Set(rows).size).toBe(24_000);
      expect([...rows].sort()).toEqual(rows);
    }
  });

  it("do not go on from one to the next: no counter leads from device to device or from day to day", () => {
    const { fix } = setUp();
    const subs = Array.from({ length: 2_000 }, (_, n) => fix({ device: `d-${n % 7}`, receivedAt: now + n }).sub);
    const near = subs.filter((sub, n) => n > 0 && Math.abs(sub - (subs[n - 1] ?? 0)) < 1_000).length;
    // Of 2,000 random ones about 4; of a counter all.
    expect(near).toBeLessThan(60);
    expect(Math.max(...subs)).toBeGreaterThan(900_000);
    expect(Math.min(...subs)).toBeLessThan(100_000);
  });
});
