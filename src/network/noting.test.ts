/** What is noted for network services: of each part the newest by its own time, no longer than it is told, and sealed. */
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Keyring } from "../deidentify/keyring.ts";
import { DAY_MS, HOUR_MS } from "../model/durations.ts";
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import type { NetworkNote, NotedNetwork } from "../model/network.ts";
import { fieldOf, type Replacement, type SealedRecord } from "../platform/sealed-records.ts";
import { NetworkNoting } from "./noting.ts";
import { limitedTo, NETWORK_FORM, noted, saidIn } from "./record.ts";

const NOW = 20_700 * DAY_MS + 12 * HOUR_MS;
const keyring = new Keyring({ masterKey: randomBytes(32), pepper: randomBytes(32) });
const wrappedSubjectKey = keyring.createSubjectKey();
const device: DeviceRef = { deviceKey: "device" as DeviceKey, subjectTag: "subject" as SubjectTag };
const PREFIX = "203.0.0.0/16";

class Shared {
  readonly texts = new Map<string, string>();
  replaced = 0;

  read = async (devices: readonly DeviceRef[]) => devices.map((one) => this.texts.get(fieldOf(one)) ?? "");

  open = ({ device: { deviceKey }, sealed }: SealedRecord, key: string): NetworkNote | undefined => {
    const text = keyring.openRecord("network", key, deviceKey, sealed);
    return text === undefined ? undefined : NETWORK_FORM.decode(text);
  };

  replace = async (replacements: readonly Replacement<NetworkNote>[]): Promise<boolean[]> =>
    replacements.map(({ device: one, was, record }) => {
      if ((this.texts.get(fieldOf(one)) ?? "") !== was || record === undefined) return false;
      const text = NETWORK_FORM.encode(record.content);
      this.texts.set(fieldOf(one), keyring.sealRecord("network", record.wrappedSubjectKey, one.deviceKey, text));
      this.replaced += 1;
      return true;
    });

  get note(): NetworkNote | undefined {
    const sealed = this.texts.get(fieldOf(device));
    return sealed === undefined ? undefined : this.open({ device, sealed }, wrappedSubjectKey);
  }
}

const on = (shared: Shared, now = () => NOW) => new NetworkNoting(shared, { maxDevices: 10, aheadMs: 60_000, now });
const said = (what: NotedNetwork["said"], at: number, revision = 1): NotedNetwork => ({
  device,
  wrappedSubjectKey,
  revision,
  said: what,
  at,
});

describe("noting", () => {
  it("keeps of each part the newest, also of messages that carry one of them alone, in whatever order they come", async () => {
    const shared = new Shared();
    const taken = await on(shared).note([
      said({ model: "hub" }, NOW - 50),
      said({ ipPrefix: PREFIX }, NOW - 40, 2),
      said({ model: "lamp", ipPrefix: "198.51.0.0/16" }, NOW - 60),
    ]);
    expect(taken).toEqual([true, true, true]);
    expect(shared.note).toEqual({
      model: { text: "hub", at: NOW - 50, revision: 1 },
      ipPrefix: { text: PREFIX, at: NOW - 40, revision: 2 },
      since: NOW,
      told: undefined,
    });
    expect(shared.replaced).toBe(1);
  });

  it("writes what says the same once an hour, and on a new day", async () => {
    const shared = new Shared();
    let now = NOW;
    const noting = on(shared, () => now);
    const say = (at: number) => {
      now = Math.max(now, at);
      return noting.note([said({ model: "hub" }, at)]);
    };
    for (const at of [NOW, NOW + 1, NOW + HOUR_MS - 1]) await say(at);
    expect(shared.replaced).toBe(1);
    await say(NOW + HOUR_MS);
    expect([shared.replaced, shared.note?.since]).toEqual([2, NOW]);
    const midnight = NOW + 12 * HOUR_MS;
    await say(midnight - 1);
    await say(midnight);
    expect([shared.replaced, shared.note?.model?.at]).toEqual([4, midnight]);
  });

  it("does not take what is too old to be told", async () => {
    const shared = new Shared();
    const dayBefore = NOW - (NOW % DAY_MS) - DAY_MS;
    expect(await on(shared).note([said({ model: "hub" }, dayBefore - 1)])).toEqual([false]);
    expect(shared.texts.size).toBe(0);
    expect(await on(shared).note([said({ model: "hub" }, dayBefore)])).toEqual([true]);
    expect(shared.note?.model?.at).toBe(dayBefore);
  });

  it("seals it, for a record of its own kind alone", async () => {
    const shared = new Shared();
    await on(shared).note([said({ model: "hub", ipPrefix: PREFIX }, NOW)]);
    const [sealed = ""] = shared.texts.values();
    expect(Buffer.from(sealed, "base64url").toString("latin1")).not.toMatch(/hub|203/);
    expect(keyring.openRecord("place", wrappedSubjectKey, device.deviceKey, sealed)).toBeUndefined();
  });
});

describe("the record", () => {
  const clock = { now: NOW, aheadMs: 60_000 };
  const note = noted(undefined, said({ model: "hub", ipPrefix: PREFIX }, NOW), clock);
  const told = { model: "hub", ipPrefix: PREFIX, epochStart: 1, at: 2, changedAt: 3 };

  it("comes out of its text as it went in", () => {
    for (const one of [note, { ...note, told }, { since: 4, model: note.model, ipPrefix: undefined, told: undefined }])
      expect(NETWORK_FORM.decode(NETWORK_FORM.encode(one))).toEqual({ told: undefined, ...one });
  });

  it("begins again after a silence in which it was told no longer: it then waits for its minute as a new one does", () => {
    const later = { now: NOW + 2 * DAY_MS, aheadMs: 60_000 };
    const back = noted({ ...note, told }, said({ model: "hub" }, NOW + 2 * DAY_MS), later);
    expect(back).toMatchObject({ since: NOW + 2 * DAY_MS, told: undefined });
    expect(back.ipPrefix).toBeUndefined();
  });

  it("is replaced where its time cannot be: a clock was ahead", () => {
    const ahead = noted(undefined, said({ model: "hub" }, NOW + 900 * DAY_MS), { ...clock, now: NOW + 900 * DAY_MS });
    expect(noted(ahead, said({ model: "lamp" }, NOW), clock).model).toMatchObject({ text: "lamp", at: NOW });
  });

  it("tells what was said today or on the day before, and loses what consent does not cover any more", () => {
    const midnight = NOW - (NOW % DAY_MS);
    expect(saidIn(note, midnight + 2 * DAY_MS - 1)).toEqual({ model: "hub", ipPrefix: PREFIX });
    expect(saidIn(note, midnight + 2 * DAY_MS)).toEqual({ model: undefined, ipPrefix: undefined });
    expect(limitedTo(note, ["model", "ipPrefix"])).toBe(note);
    expect(limitedTo(note, ["ipPrefix"])).toEqual({ ipPrefix: note.ipPrefix, since: NOW, told: undefined });
    expect(limitedTo(note, [])).toBeUndefined();
  });
});
