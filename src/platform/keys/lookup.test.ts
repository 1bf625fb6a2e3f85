import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DeviceId, SubjectId } from "../../model/ids.ts";
import { Lookup } from "./lookup.ts";

const key = Buffer.alloc(32, 7);
const lookup = new Lookup(key);
const id = fc.stringMatching(/^[A-Za-z0-9_.:-]{1,128}$/);

function device(text: string) {
  return lookup.deviceKey(DeviceId(text) as DeviceId);
}

test("a hash is 128 bits, stable, and reveals nothing about the id", () => {
  fc.assert(
    fc.property(id, (text) => {
      expect(device(text)).toMatch(/^[A-Za-z0-9_-]{22}$/);
      expect(new Lookup(key).deviceKey(text as DeviceId)).toBe(device(text));
      if (text.length > 4) expect(device(text)).not.toContain(text);
    }),
  );
});

test("different ids, kinds and lookup keys give different hashes", () => {
  fc.assert(
    fc.property(id, id, (one, other) => {
      fc.pre(one !== other);
      expect(device(one)).not.toBe(device(other));
    }),
  );
  expect(lookup.subjectTag(SubjectId("same") as SubjectId)).not.toBe(device("same"));
  expect(new Lookup(randomBytes(32)).deviceKey("same" as DeviceId)).not.toBe(device("same"));
});

test("a name is the same name, however Unicode writes it, and behind another hub it is another", () => {
  const [hub, other] = [device("hub"), device("other")];
  expect(lookup.aliasMac(hub, "Ku\u0308che/Lampe")).toBe(lookup.aliasMac(hub, "K\u00fcche/Lampe"));
  expect(lookup.aliasMac(hub, "Kuche/Lampe")).not.toBe(lookup.aliasMac(hub, "K\u00fcche/Lampe"));
  expect(lookup.aliasMac(hub, "lamp")).not.toBe(lookup.aliasMac(hub, "Lamp"));
  expect(lookup.aliasMac(hub, "lamp")).not.toBe(lookup.aliasMac(other, "lamp"));
});
