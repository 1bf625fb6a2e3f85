/** The record of a place: the newest by its own time, whichever gateway noted it, and no more. */
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Keyring } from "../deidentify/keyring.ts";
import type { CellId, DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { NotedPlace, PlaceRecord } from "../model/place.ts";
import { fieldOf, type SealedRecord } from "../platform/sealed-records.ts";
import { PlaceNoting } from "./noting.ts";
import { DAY_MS, decodePlace, encodePlace, noted, type PlaceReplacement } from "./record.ts";

const NOW = 20_000 * DAY_MS + 3_600_000;
const keyring = new Keyring({ masterKey: randomBytes(32), pepper: randomBytes(32) });
const wrappedSubjectKey = keyring.createSubjectKey();
const device: DeviceRef = { deviceKey: "device" as DeviceKey, subjectTag: "subject" as SubjectTag };
const [A, B] = ["8660145b7ffffff", "863da1057ffffff"] as [CellId, CellId];

/** Redis, as far as it matters here; `between` runs once, between reading and replacing. */
class Shared {
  readonly texts = new Map<string, string>();
  between: (() => void) | undefined;
  replaced = 0;

  read = async (devices: readonly DeviceRef[]): Promise<string[]> =>
    devices.map((one) => this.texts.get(fieldOf(one)) ?? "");

  open = ({ device: { deviceKey }, sealed }: SealedRecord, key: string): PlaceRecord | undefined => {
    const text = keyring.openRecord("place", key, deviceKey, sealed);
    return text === undefined ? undefined : decodePlace(text);
  };

  replace = async (replacements: readonly PlaceReplacement[]): Promise<boolean[]> => {
    this.between?.();
    this.between = undefined;
    return replacements.map(({ device: one, was, record }) => {
      if ((this.texts.get(fieldOf(one)) ?? "") !== was || record === undefined) return false;
      const sealed = keyring.sealRecord("place", record.wrappedSubjectKey, one.deviceKey, encodePlace(record.content));
      this.texts.set(fieldOf(one), sealed);
      this.replaced += 1;
      return true;
    });
  };

  get record(): PlaceRecord | undefined {
    const sealed = this.texts.get(fieldOf(device));
    return sealed === undefined ? undefined : this.open({ device, sealed }, wrappedSubjectKey);
  }
}

const on = (shared: Shared, now = NOW) => new PlaceNoting(shared, { maxDevices: 10, aheadMs: 60_000, now: () => now });
const place = (cell: CellId, at: number, more: Partial<NotedPlace> = {}): NotedPlace => ({
  device,
  wrappedSubjectKey,
  revision: 1,
  cell,
  at,
  ...more,
});

describe("noting", () => {
  it("keeps the newest place by its time, on whatever gateway and in whatever order it comes", async () => {
    const shared = new Shared();
    const [one, other] = [on(shared), on(shared)];
    await one.note([place(A, NOW - 9), place(B, NOW - 5), place(A, NOW - 7)]);
    expect(shared.record).toMatchObject({ cell: B, at: NOW - 5, since: NOW });
    await other.note([place(A, NOW - 6)]);
    expect(shared.record).toMatchObject({ cell: B, at: NOW - 5 });
    await other.note([place(A, NOW - 4)]);
    await one.note([place(B, NOW - 5)]);
    expect(shared.record).toMatchObject({ cell: A, at: NOW - 4 });
  });

  it("loses nothing when two gateways note at once", async () => {
    const shared = new Shared();
    const other = on(shared);
    await other.note([place(A, NOW - 100)]);
    shared.between = () => void shared.texts.set(fieldOf(device), sealedOf(place(B, NOW)));
    await on(shared).note([place(A, NOW - 1)]);
    expect(shared.record).toMatchObject({ cell: B, at: NOW });
  });

  it("does not note again within a minute what says the same, unless consent has changed meanwhile", async () => {
    const shared = new Shared();
    const noting = on(shared);
    await noting.note([place(A, NOW - 90_000)]);
    await noting.note([place(A, NOW - 80_000), place(A, NOW - 31_000)]);
    expect(shared.replaced).toBe(1);
    await noting.note([place(A, NOW - 30_000)]);
    expect([shared.replaced, shared.record?.since, shared.record?.at]).toEqual([2, NOW, NOW - 30_000]);
    shared.texts.clear();
    await noting.note([place(A, NOW - 29_000, { revision: 2 })]);
    expect(shared.record).toMatchObject({ revision: 2 });
  });

  it("starts again over what another key has sealed", async () => {
    const shared = new Shared();
    await on(shared).note([place(A, NOW, { wrappedSubjectKey: keyring.createSubjectKey() })]);
    expect(shared.record).toBeUndefined();
    await on(shared).note([place(B, NOW - 5)]);
    expect(shared.record).toMatchObject({ cell: B, at: NOW - 5, since: NOW });
  });

  it("leaves nothing to read in what it stores", async () => {
    const shared = new Shared();
    await on(shared).note([place(A, NOW)]);
    const text = [...shared.texts.values()].join();
    expect(text).not.toContain(A);
    expect(Buffer.from(text, "base64url").toString("latin1")).not.toContain(A);
    expect(text).not.toContain(String(NOW));
  });
});

describe("the record", () => {
  const clock = { now: NOW, aheadMs: 60_000 };

  it("remembers the last place of an earlier day, and no other one", () => {
    let record: PlaceRecord | undefined;
    for (const [cell, at] of [
      [A, NOW - 3 * DAY_MS],
      [B, NOW - 2 * DAY_MS],
      [A, NOW - 2 * DAY_MS + 5],
      [B, NOW - 7],
      [A, NOW - 5],
    ] as const)
      record = noted(record, { cell, at, revision: 1 }, clock);
    expect(record).toMatchObject({ cell: A, at: NOW - 5, before: { cell: A, at: NOW - 2 * DAY_MS + 5 } });
    expect(decodePlace(encodePlace(record as PlaceRecord))).toEqual(record);
  });

  it("is replaced where its time cannot be: a clock was ahead", () => {
    const ahead = noted(
      undefined,
      { cell: A, at: NOW + 365 * DAY_MS, revision: 1 },
      { now: NOW + 365 * DAY_MS, aheadMs: 0 },
    );
    expect(noted(ahead, { cell: B, at: NOW, revision: 1 }, clock)).toMatchObject({ cell: B, at: NOW, since: NOW });
    const soon = noted(undefined, { cell: A, at: NOW + 59_000, revision: 1 }, clock);
    expect(noted(soon, { cell: B, at: NOW, revision: 1 }, clock)).toBe(soon);
  });
});

function sealedOf({ cell, at, revision }: NotedPlace): string {
  return keyring.sealRecord(
    "place",
    wrappedSubjectKey,
    device.deviceKey,
    encodePlace({ cell, at, revision, since: at }),
  );
}
