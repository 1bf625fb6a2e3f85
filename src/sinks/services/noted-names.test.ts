/** Which names are known to be noted, while services come and go. */
import { expect, it } from "vitest";
import type { Recipient } from "../../model/disclosure.ts";
import type { ForwardedName } from "../../model/forwarded-name.ts";
import type { Pseudonym, SubjectTag } from "../../model/ids.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import { NotedNames } from "./noted-names.ts";

function setUp(maxNames = 4_000) {
  const recipients: Recipient[] = [];
  const names = new NotedNames({ recipients, maxNames }, { note: async () => undefined });
  const register = (name: string, purpose: ServicePurpose): Recipient => {
    const recipient = { index: recipients.length, name, purpose, region: "IN", contract: undefined };
    recipients.push(recipient);
    return recipient;
  };
  return { names, register };
}

const named = (recipient: Recipient, ...some: string[]): ForwardedName[] =>
  some.map((name) => ({
    subject: "one" as SubjectTag,
    wrappedSubjectKey: "key",
    recipient,
    name: name as Pseudonym,
    until: 1,
  }));

it("knows a name for the one it was noted for, also for one that was registered later", async () => {
  const { names, register } = setUp();
  const first = register("lights", "scene");
  await names.note(named(first, "a"));
  const later = register("alarms", "scene");
  expect([names.has(first, "a"), names.has(later, "a")]).toEqual([true, false]);
  await names.note(named(later, "a", "b"));
  expect([names.has(later, "a"), names.has(later, "b"), names.has(first, "b")]).toEqual([true, true, false]);
});

it("keeps what it knows within its bound, however many recipients there come to be", async () => {
  const { names, register } = setUp();
  const some = Array.from({ length: 3_000 }, (_, index) => `name-${index}`);
  const known = (recipient: Recipient): number => some.filter((name) => names.has(recipient, name)).length;
  const first = register("lights", "scene");
  // Room for those of one recipient; a network service has other names and takes none of it.
  await names.note(named(first, ...some));
  await names.note(named(register("wires", "network"), "other"));
  expect(known(first)).toBe(3_000);
  const third = register("alarms", "scene");
  await names.note(named(third, ...some));
  expect(known(third)).toBe(1_000);
  expect(known(first)).toBe(0);
});

it("forgets names for everyone at once", async () => {
  const { names, register } = setUp();
  const all = [register("lights", "scene"), register("alarms", "scene")];
  for (const one of all) await names.note(named(one, "a", "b"));
  names.forget(["a" as Pseudonym]);
  expect(all.map((one) => [names.has(one, "a"), names.has(one, "b")])).toEqual([
    [false, true],
    [false, true],
  ]);
});
