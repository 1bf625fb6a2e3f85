/** Of the members of a shared subscription one gets each message: the same one for a name, while it is there and reads. */
import { describe, expect, it } from "vitest";
import type { ServiceConnection } from "./connection.ts";
import type { Outbox } from "./outbox.ts";
import { Share } from "./share.ts";

const NAMES = Array.from({ length: 2_000 }, (_, n) => `pseudonym-${n}`);

function member(id: string) {
  const self = { stalled: false, tooLarge: false, got: [] as string[] };
  const session = {
    id,
    form: (packet: Buffer) => (self.tooLarge ? undefined : packet),
  } as unknown as ServiceConnection;
  const outbox = {
    add: (packet: Buffer) => {
      if (!self.stalled) self.got.push(String(packet));
      return !self.stalled;
    },
  } as unknown as Outbox;
  return Object.assign(self, { session, outbox });
}

function shared(...ids: string[]) {
  const share = new Share(undefined);
  const members = ids.map(member);
  for (const { session, outbox } of members) share.join(session, outbox);
  const deliver = (name: string) => share.deliver(name, () => Buffer.from(name)) !== undefined;
  /** Whose each name is. */
  const owners = (): Map<string, string> => {
    for (const one of members) one.got = [];
    for (const name of NAMES) deliver(name);
    return new Map(members.flatMap(({ session, got }) => got.map((name) => [name, session.id] as const)));
  };
  return { share, members, deliver, owners };
}

describe("a shared subscription", () => {
  it("gives each message to one member, each its part, and all of one name to the same", () => {
    const { members, owners } = shared("a", "b", "c", "d");
    const first = owners();
    expect(first.size).toBe(NAMES.length);
    expect(members.reduce((sum, { got }) => sum + got.length, 0)).toBe(NAMES.length);
    for (const { got } of members) expect(Math.abs(got.length - 500)).toBeLessThan(100);
    expect(owners()).toEqual(first);
  });

  it("moves only the names of a member that leaves, and to no member alone; it gets them back when it comes again", () => {
    const { share, members, owners } = shared("a", "b", "c", "d");
    const before = owners();
    const [gone] = members;
    if (gone === undefined) throw new Error("no member");
    share.leave(gone.session);
    const after = owners();
    const heirs = new Set<string>();
    for (const name of NAMES) {
      if (before.get(name) !== "a") expect(after.get(name)).toBe(before.get(name));
      else heirs.add(after.get(name) ?? "");
    }
    expect([...heirs].sort()).toEqual(["b", "c", "d"]);
    share.join(gone.session, gone.outbox);
    expect(owners()).toEqual(before);
  });

  it("hands over what a member does not take, and gives it its names again once it does", () => {
    const { members, owners } = shared("a", "b", "c");
    const before = owners();
    const [slow] = members;
    if (slow === undefined) throw new Error("no member");
    slow.stalled = true;
    const meanwhile = owners();
    expect(meanwhile.size).toBe(NAMES.length);
    for (const [name, owner] of before) if (owner !== "a") expect(meanwhile.get(name)).toBe(owner);
    slow.stalled = false;
    expect(owners()).toEqual(before);
  });

  it("passes over a member that takes no packet of that size, and says so when none takes it", () => {
    const { members, deliver } = shared("a", "b");
    const [one, other] = members;
    if (one === undefined || other === undefined) throw new Error("no members");
    one.tooLarge = true;
    expect(NAMES.every(deliver)).toBe(true);
    expect([one.got.length, other.got.length]).toEqual([0, NAMES.length]);
    other.stalled = true;
    expect(deliver("x")).toBe(false);
  });

  it("of one name hears that alone, and nothing without members", () => {
    const share = new Share("abc");
    expect(share.hears("abc")).toBe(false);
    const { session, outbox } = member("a");
    share.join(session, outbox);
    expect([share.hears("abc"), share.hears("abd")]).toEqual([true, false]);
  });
});
