import { createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceKey } from "../model/ids.ts";
import { PSEUDONYM_PURPOSES } from "../model/purposes.ts";
import { Keyring } from "./keyring.ts";

const masterKey = randomBytes(32);
const pepper = randomBytes(32);
const keyring = new Keyring({ masterKey, pepper });
const device = "AAAAAAAAAAAAAAAAAAAAAA" as DeviceKey;

function unwrap(wrapped: string): Buffer {
  const bytes = Buffer.from(wrapped, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", masterKey, bytes.subarray(1, 13));
  decipher.setAAD(Buffer.from("consentry subject key 1"));
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(13, -16)), decipher.final()]);
}

describe("Keyring", () => {
  it("makes pseudonyms by the documented formula", () => {
    const wrapped = keyring.createSubjectKey();
    const purposeKey = hkdfSync("sha256", unwrap(wrapped), pepper, "consentry pseudonym\0scene\x002900", 32);
    const mac = createHmac("sha256", Buffer.from(purposeKey)).update(device).digest();
    expect(keyring.pseudonym(wrapped, device, "scene", 2900)).toBe(mac.subarray(0, 16).toString("base64url"));
  });

  it("gives one name for each subject key, device, purpose and epoch, and the same one every time", () => {
    const subjects = [keyring.createSubjectKey(), keyring.createSubjectKey()];
    const other = new Keyring({ masterKey, pepper });
    const seen = new Set<string>();
    for (const subject of subjects) {
      for (const key of [device, "BBBBBBBBBBBBBBBBBBBBBB" as DeviceKey]) {
        for (const purpose of PSEUDONYM_PURPOSES) {
          for (const epoch of [3, 1, 4, 2, 4, 1]) {
            const name = keyring.pseudonym(subject, key, purpose, epoch);
            expect(name).toMatch(/^[A-Za-z0-9_-]{22}$/);
            expect(other.pseudonym(subject, key, purpose, epoch)).toBe(name);
            seen.add(name);
          }
        }
      }
    }
    expect(seen.size).toBe(2 * 2 * PSEUDONYM_PURPOSES.length * 4);
  });

  it("names the home of a person, the same by each device, in each epoch another, and like no device", () => {
    const subjects = [keyring.createSubjectKey(), keyring.createSubjectKey()];
    const devices = [device, "BBBBBBBBBBBBBBBBBBBBBB" as DeviceKey];
    const other = new Keyring({ masterKey, pepper });
    const seen = new Set<string>();
    for (const subject of subjects) {
      for (const epoch of [3, 1, 4, 2, 4, 1]) {
        const [one, two] = devices.map((key) => keyring.home(subject, key, epoch));
        expect([two, other.home(subject, device, epoch)]).toEqual([one, one]);
        expect(one).toMatch(/^[A-Za-z0-9_-]{22}$/);
        for (const key of devices)
          for (const purpose of PSEUDONYM_PURPOSES)
            expect(keyring.pseudonym(subject, key, purpose, epoch)).not.toBe(one);
        seen.add(String(one));
      }
    }
    expect(seen.size).toBe(2 * 4);
  });

  it("remembers nothing that changes an answer, in whatever order epochs and keys are asked for", () => {
    const subjects = [keyring.createSubjectKey(), keyring.createSubjectKey()];
    const reference = new Keyring({ masterKey, pepper });
    const question = fc.tuple(
      fc.constantFrom(...subjects),
      fc.constantFrom(...PSEUDONYM_PURPOSES),
      fc.integer({ min: 0, max: 4 }),
    );
    fc.assert(
      fc.property(fc.array(question, { maxLength: 12 }), (questions) => {
        const asked = questions.map(([subject, purpose, epoch]) => keyring.pseudonym(subject, device, purpose, epoch));
        const alone = questions.map(([subject, purpose, epoch]) => {
          reference.forget(device);
          return reference.pseudonym(subject, device, purpose, epoch);
        });
        expect(asked).toEqual(alone);
      }),
    );
  });

  it("depends on the pepper", () => {
    const wrapped = keyring.createSubjectKey();
    const elsewhere = new Keyring({ masterKey, pepper: randomBytes(32) });
    expect(elsewhere.pseudonym(wrapped, device, "network", 1)).not.toBe(
      keyring.pseudonym(wrapped, device, "network", 1),
    );
  });

  it("never makes the same subject key twice, nor shows it", () => {
    const wrapped = Array.from({ length: 50 }, () => keyring.createSubjectKey());
    expect(new Set(wrapped.map((one) => unwrap(one).toString("hex"))).size).toBe(50);
    for (const one of wrapped) expect(Buffer.from(one, "base64url").includes(unwrap(one))).toBe(false);
  });

  it("refuses a key that was altered, cut, or wrapped by another master key, without telling it", () => {
    const wrapped = keyring.createSubjectKey();
    const altered = Buffer.from(wrapped, "base64url");
    altered[20] = (altered[20] ?? 0) ^ 1;
    const foreign = new Keyring({ masterKey: randomBytes(32), pepper }).createSubjectKey();
    for (const bad of [altered.toString("base64url"), wrapped.slice(0, 40), "", foreign]) {
      const fault = catchFault(() => keyring.pseudonym(bad, device, "analytics", 1));
      expect(fault).toMatchObject({ code: "SUBJECT_KEY_UNREADABLE" });
      if (bad !== "") expect(String(fault)).not.toContain(bad);
    }
  });

  it.each(["place", "network"] as const)(
    "seals a record of a %s for one subject's key and one device alone, and survives a change of the master key",
    (kind) => {
      const wrapped = keyring.createSubjectKey();
      const sealed = keyring.sealRecord(kind, wrapped, device, "record-canary");
      expect(Buffer.from(sealed, "base64url").includes("record-canary")).toBe(false);
      expect(keyring.sealRecord(kind, wrapped, device, "record-canary")).not.toBe(sealed);
      const rotated = new Keyring({ masterKey: randomBytes(32), otherMasterKeys: [masterKey], pepper });
      expect(rotated.openRecord(kind, rotated.rewrap(wrapped) ?? "", device, sealed)).toBe("record-canary");
      const altered = `${sealed.slice(0, 40)}${sealed[40] === "A" ? "B" : "A"}${sealed.slice(41)}`;
      expect(keyring.openRecord(kind, wrapped, device, altered)).toBeUndefined();
      expect(keyring.openRecord(kind, wrapped, device, "")).toBeUndefined();
      expect(keyring.openRecord(kind, wrapped, "B".repeat(22) as DeviceKey, sealed)).toBeUndefined();
      expect(keyring.openRecord(kind, keyring.createSubjectKey(), device, sealed)).toBeUndefined();
      expect(keyring.openRecord(kind === "place" ? "network" : "place", wrapped, device, sealed)).toBeUndefined();
    },
  );

  it("has a forgotten device's key opened again", () => {
    const wrapped = keyring.createSubjectKey();
    const name = keyring.pseudonym(wrapped, device, "scene", 7);
    keyring.forget(device);
    expect(keyring.pseudonym(wrapped, device, "scene", 7)).toBe(name);
  });
});

function catchFault(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
