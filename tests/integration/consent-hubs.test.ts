/** Promise: a hub speaks for a device only while both sides say so, and never for a device that changed hands. */
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import type { Wanted } from "../../src/consent/child-place.ts";
import { Hubs } from "../../src/consent/hubs.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import type { AliasMac, DeviceKey } from "../../src/model/ids.ts";
import { connectRedis } from "../../src/platform/redis.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { tokenOf } from "../fixtures/token.ts";
import { consentStore, device, everythingIn, lookup, subject } from "./consent-fixture.ts";

const { store, server } = consentStore();
const [ANNA, BORIS] = [subject("anna"), subject("boris")];
const [HUB, OTHER_HUB, LAMP, LOCK] = [device("hub-1"), device("hub-2"), device("lamp-1"), device("lock-1")];

const named = (alias: string, hub = HUB): AliasMac => lookup.aliasMac(hub, alias);
const child = (key: DeviceKey, alias: string, otherSubject = false, hub = HUB): Wanted => ({
  key,
  alias: named(alias, hub),
  otherSubject,
});
const heard = async (hub = HUB) => (await store().hubs.load(hub)).flatMap((one) => (one.subjectTag ? [one.key] : []));

/** The hub and the lamp are Anna's, and the lamp is a child. */
async function household(): Promise<void> {
  const { ledger, hubs } = store();
  for (const one of [HUB, LAMP, LOCK]) await ledger.bind(ANNA, one);
  expect(await hubs.register(HUB, [child(LAMP, "lamp")])).toEqual(["registered"]);
  expect(await heard()).toEqual([LAMP]);
}

/** What is at rest of registrations, by part of the name. */
async function fieldsOf(key: DeviceKey): Promise<string[]> {
  const { redis, keyspace } = store();
  const fields = await redis.hkeys(keyspace.credential(key));
  return fields.filter((field) => /^(hub|tenure|otherSubject|left|ended|dialect|alias|presence)/.test(field)).sort();
}

describe("registering", () => {
  test("leads from an alias to the child, its subject and its consent", async () => {
    await household();
    expect(await store().hubs.load(HUB)).toEqual([
      { alias: named("lamp"), key: LAMP, subjectTag: ANNA, otherSubject: false, holds: false },
    ]);
  });

  test("says of each child what became of it, in order", async () => {
    const { ledger, hubs } = store();
    await household();
    await ledger.bind(ANNA, OTHER_HUB);
    const [sensor, plug, blind, stranger, guest] = ["sensor", "plug", "blind", "stranger", "guest"].map(device) as [
      DeviceKey,
      DeviceKey,
      DeviceKey,
      DeviceKey,
      DeviceKey,
    ];
    for (const one of [sensor, plug, blind]) await ledger.bind(ANNA, one);
    for (const one of [stranger, guest]) await ledger.bind(BORIS, one);
    expect(await hubs.register(OTHER_HUB, [child(plug, "plug", false, OTHER_HUB)])).toEqual(["registered"]);
    const outcomes = await hubs.register(HUB, [
      child(LAMP, "lamp"),
      child(LOCK, "lock"),
      child(sensor, "lamp"),
      child(blind, "lock"),
      child(LOCK, "lock again"),
      child(HUB, "me"),
      child(OTHER_HUB, "hub"),
      child(plug, "plug"),
      child(stranger, "stranger"),
      child(guest, "guest", true),
      child(device("nobody's"), "nobody"),
    ]);
    expect(outcomes).toEqual([
      "already",
      "registered",
      "alias-taken",
      "alias-taken",
      "twice",
      "itself",
      "is-hub",
      "under-another-hub",
      "other-subject",
      "registered",
      "not-bound",
    ]);
    expect((await heard()).sort()).toEqual([LAMP, LOCK, guest].sort());
    expect(await heard(OTHER_HUB)).toEqual([plug]);
  });

  test("a hub that is no one's, or is behind another, has no children", async () => {
    const { ledger, hubs } = store();
    await household();
    expect(await hubs.register(OTHER_HUB, [child(LOCK, "lock", false, OTHER_HUB)])).toEqual(["not-bound"]);
    expect(await hubs.register(LAMP, [child(LOCK, "lock", false, LAMP)])).toEqual(["behind-hub"]);
    await ledger.bind(ANNA, OTHER_HUB);
    expect(await hubs.register(OTHER_HUB, [])).toEqual([]);
    expect(await fieldsOf(OTHER_HUB)).toEqual([]);
  });

  test("another alias takes the place of the one before", async () => {
    await household();
    expect(await store().hubs.register(HUB, [child(LAMP, "lamp by the door")])).toEqual(["registered"]);
    expect(await store().hubs.load(HUB)).toMatchObject([{ alias: named("lamp by the door"), subjectTag: ANNA }]);
  });

  test("512 are taken and not one more, whether at once or one by one; one that goes makes room", async () => {
    const { ledger, hubs, redis, keyspace } = store();
    const many = Array.from({ length: 513 }, (_, index) => device(`many-${index}`));
    await ledger.bind(ANNA, HUB);
    for (const one of many) await redis.hset(keyspace.credential(one), "tag", ANNA);
    const outcomes = await hubs.register(
      HUB,
      many.map((one, index) => child(one, `n${index}`)),
    );
    expect(outcomes.filter((outcome) => outcome === "registered")).toHaveLength(512);
    expect(outcomes.at(-1)).toBe("too-many-children");
    expect(await heard()).toHaveLength(512);
    const last = child(many[512] as DeviceKey, "n512");
    expect(await hubs.register(HUB, [last])).toEqual(["too-many-children"]);
    expect(await hubs.remove(HUB, many[0] as DeviceKey)).toBe(true);
    expect(await hubs.register(HUB, [last])).toEqual(["registered"]);
  });

  test("of two gateways that give one alias away at the same time, one says it is taken", async () => {
    const { hubs } = store();
    await household();
    const plug = device("plug");
    await store().ledger.bind(ANNA, plug);
    const { hubs: elsewhere } = await store().another();
    const outcomes = await Promise.all([
      hubs.register(HUB, [child(LOCK, "door")]),
      elsewhere.register(HUB, [child(plug, "door")]),
    ]);
    expect(outcomes.flat().sort()).toEqual(["alias-taken", "registered"]);
    expect(await heard()).toHaveLength(2);
  });

  test("every change is told to the gateways that have the hub's session", async () => {
    await household();
    const { keyspace, ledger, hubs } = store();
    const listener = connectRedis(server().url, "subscriber");
    await listener.connect();
    await listener.subscribe(keyspace.childrenChanged);
    const changes: readonly (() => Promise<unknown>)[] = [
      () => hubs.register(HUB, [child(LOCK, "lock")]),
      () => hubs.remove(HUB, LOCK),
      () => ledger.unbind(ANNA, LAMP),
      () => ledger.bind(ANNA, LAMP).then(() => hubs.register(HUB, [child(LAMP, "lamp")])),
      () => ledger.bind(BORIS, LAMP),
    ];
    for (const change of changes) {
      const told = once(listener, "message");
      await change();
      expect(await told).toEqual([keyspace.childrenChanged, HUB]);
    }
    listener.disconnect();
  });

  test("no alias rests as it was written", async () => {
    await household();
    await store().hubs.register(HUB, [child(LOCK, "Grandma Ilse's front door")]);
    expect(await everythingIn(store().redis)).not.toMatch(/Ilse|front door|hub-1|lamp-1|lock-1/);
  });
});

describe("a token", () => {
  test("is not given to a device behind a hub, and is again once it is there no more", async () => {
    const { credentials, hubs } = store();
    await household();
    expect(await credentials.issue(LAMP)).toEqual({ refused: "behind-hub" });
    await hubs.remove(HUB, LAMP);
    expect(await credentials.verify(LAMP, await tokenOf(credentials, LAMP))).toMatchObject({ subjectTag: ANNA });
  });

  test("of its own ends when a device is registered behind a hub, is recorded outside, and its session ends", async () => {
    const { credentials, redis, keyspace } = store();
    await household();
    const token = await tokenOf(credentials, LOCK, { dialect: "tasmota", alias: named("x", LOCK), presence: true });
    const noted: unknown[] = [];
    const hubs = new Hubs(redis, keyspace, {
      ended: async (...end) => void noted.push(end),
      holder: credentials.holder,
    });
    const listener = connectRedis(server().url, "subscriber");
    await listener.connect();
    await listener.subscribe(keyspace.sessionEnd);
    const told = once(listener, "message");
    await hubs.register(HUB, [child(LOCK, "lock")]);
    expect(await told).toEqual([keyspace.sessionEnd, LOCK]);
    listener.disconnect();
    expect(await credentials.verify(LOCK, token)).toBeUndefined();
    expect(noted).toEqual([[LOCK, 2]]);
    expect(await fieldsOf(LOCK)).toEqual(["hub", "hubAlias", "hubTenure"]);
  });

  test("a device behind a hub that was sold gets one", async () => {
    const { credentials, redis, keyspace } = store();
    await household();
    // As if the gateway had ended right after the hub was claimed.
    await redis.hdel(keyspace.credential(HUB), "tenure");
    expect(await credentials.issue(LAMP)).toHaveProperty("token");
    expect(await fieldsOf(LAMP)).toEqual([]);
  });
});

describe("silent at once, and for good", () => {
  const ways: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["the child is removed", () => store().hubs.remove(HUB, LAMP)],
    ["the child is sold", () => store().ledger.bind(BORIS, LAMP)],
    ["the child is unbound", () => store().ledger.unbind(ANNA, LAMP)],
    ["the hub is sold", () => store().ledger.bind(BORIS, HUB)],
    ["the hub is unbound", () => store().ledger.unbind(ANNA, HUB)],
    ["what the child's subject has is erased", () => store().hubs.forget(ANNA, LAMP)],
    ["what the hub's subject has is erased", () => store().hubs.forget(ANNA, HUB)],
  ];

  test.each(ways)("%s", async (_, end) => {
    const { ledger, hubs, redis, keyspace } = store();
    await household();
    await end();
    expect(await heard()).toEqual([]);
    // Back at the same subject, no one has said again that the hub may speak for it.
    for (const one of [HUB, LAMP]) await ledger.bind(ANNA, one);
    expect(await heard()).toEqual([]);
    expect(await redis.exists(keyspace.children(HUB))).toBe(0);
    const left = await fieldsOf(LAMP);
    expect(left).toEqual([]);
    expect(await hubs.register(HUB, [child(LAMP, "lamp")])).toEqual(["registered"]);
    expect(await heard()).toEqual([LAMP]);
  });

  test.each([
    ["removed", (hubs: Hubs) => hubs.remove(HUB, LAMP), LAMP],
    ["sold", (_: Hubs, ledger: Ledger) => ledger.bind(BORIS, LAMP), LAMP],
    ["unbound", (_: Hubs, ledger: Ledger) => ledger.unbind(ANNA, LAMP), LAMP],
    ["erased", (hubs: Hubs) => hubs.forget(ANNA, LAMP), LAMP],
    ["its hub sold", (_: Hubs, ledger: Ledger) => ledger.bind(BORIS, HUB), HUB],
    ["its hub unbound", (_: Hubs, ledger: Ledger) => ledger.unbind(ANNA, HUB), HUB],
    ["its hub erased", (hubs: Hubs) => hubs.forget(ANNA, HUB), HUB],
  ] as const)(
    "%s: the end is noted outside Redis, once, and when that fails at the next attempt",
    async (_, end, whose) => {
      await household();
      const { redis, keyspace, credentials } = store();
      let fails = true;
      const noted: unknown[] = [];
      const ended = async (...what: unknown[]) => {
        if (fails) throw new Error("disk full");
        noted.push(what.slice(0, 2));
      };
      const options = { createSubjectKey: () => "key", controller: "vendor", expiryDays: 1, now: Date.now };
      const ledger = new Ledger(redis, keyspace, { ...options, journal: { ...NO_JOURNAL, tokenEnded: ended } });
      const hubs = new Hubs(redis, keyspace, { ended, holder: credentials.holder });
      await expect(end(hubs, ledger)).rejects.toThrow("disk full");
      expect(await heard()).toEqual([]);
      fails = false;
      for (let times = 0; times < 3; times += 1) await end(hubs, ledger);
      expect(noted).toEqual([[whose, 1]]);
    },
  );

  test("whatever the order in which Redis is lost on the way, no entry is heard that is not whole", async () => {
    await household();
    const { redis, keyspace } = store();
    const [names, said] = [keyspace.children(HUB), keyspace.credential(LAMP)];
    const whole = { list: await redis.hgetall(names), child: await redis.hgetall(said) };
    for (const field of ["hub", "hubAlias", "hubTenure", "tag"]) {
      await redis.hdel(said, field);
      expect(await heard(), field).toEqual([]);
      await redis.hset(said, field, "x".repeat(22));
      expect(await heard(), field).toEqual([]);
      await redis.hset(said, whole.child);
    }
    await redis.hdel(names, named("lamp"));
    expect(await heard()).toEqual([]);
    await redis.hset(names, whole.list);
    expect(await heard()).toEqual([LAMP]);
    for (const bad of ["a text", "a list"]) {
      await redis.del(names);
      await (bad === "a text" ? redis.set(names, bad) : redis.rpush(names, bad));
      expect(await heard()).toEqual([]);
    }
    expect(await store().hubs.register(HUB, [child(LAMP, "lamp")])).toEqual(["registered"]);
    expect(await heard()).toEqual([LAMP]);
  });

  test("a child of another subject is heard with leave alone, and each owner can end it", async () => {
    const { ledger, hubs } = store();
    await household();
    await ledger.bind(BORIS, LOCK);
    expect(await hubs.register(HUB, [child(LOCK, "lock")])).toEqual(["other-subject"]);
    expect(await hubs.register(HUB, [child(LOCK, "lock", true)])).toEqual(["registered"]);
    expect(await hubs.load(HUB)).toContainEqual(
      expect.objectContaining({ key: LOCK, subjectTag: BORIS, otherSubject: true }),
    );
    // Its owner asks for erasure, and so does the hub's.
    await hubs.forget(ANNA, LOCK);
    expect(await heard()).toContain(LOCK);
    await hubs.forget(BORIS, LOCK);
    expect(await heard()).toEqual([LAMP]);
    await hubs.register(HUB, [child(LOCK, "lock", true)]);
    await hubs.forget(ANNA, HUB);
    expect(await heard()).toEqual([]);
    expect(await fieldsOf(LOCK)).toEqual([]);
  });

  test("a sale that is interrupted leaves silence, and made again it leaves nothing", async () => {
    const { redis, keyspace } = store();
    await household();
    const { ledger } = store();
    let fails = true;
    const ended: unknown[] = [];
    const tokenEnded = async (...end: unknown[]) => {
      if (fails) throw new Error("disk full");
      ended.push(end);
    };
    const options = { createSubjectKey: () => "key", controller: "vendor", expiryDays: 1, now: Date.now };
    const noting = new Ledger(redis, keyspace, { ...options, journal: { ...NO_JOURNAL, tokenEnded } });
    await expect(noting.bind(BORIS, HUB)).rejects.toThrow("disk full");
    expect(await heard()).toEqual([]);
    await expect(noting.unbind(ANNA, LAMP)).rejects.toThrow("disk full");
    fails = false;
    await noting.bind(BORIS, HUB);
    await noting.unbind(ANNA, LAMP);
    expect(ended).toEqual([
      [HUB, 1, undefined],
      [LAMP, 1, undefined],
    ]);
    await ledger.bind(ANNA, LAMP);
    expect(await redis.exists(keyspace.children(HUB))).toBe(0);
    expect([await fieldsOf(LAMP), await fieldsOf(HUB)]).toEqual([[], []]);
  });

  test("unbinding a hub notes the end with the token that stands, so that the token is not taken for a replaced one", async () => {
    const { redis, keyspace, credentials } = store();
    await household();
    const token = await tokenOf(credentials, HUB, { dialect: "zigbee2mqtt" });
    const mac = await redis.hget(keyspace.credential(HUB), "mac");
    const ended: unknown[] = [];
    const tokenEnded = async (...end: unknown[]) => void ended.push(end);
    const options = { createSubjectKey: () => "key", controller: "vendor", expiryDays: 1, now: Date.now };
    await new Ledger(redis, keyspace, { ...options, journal: { ...NO_JOURNAL, tokenEnded } }).unbind(ANNA, HUB);
    expect(ended).toEqual([[HUB, 2, mac]]);
    expect(await credentials.verify(HUB, token)).toMatchObject({ dialect: "zigbee2mqtt" });
  });
});

test("while a device changes hands, how it speaks is shown to neither owner", async () => {
  const { credentials, deviceConnections, redis, keyspace } = store();
  await household();
  await tokenOf(credentials, HUB, { dialect: "zigbee2mqtt" });
  const shown = async () => [...(await deviceConnections.of(ANNA, [HUB, LAMP])).values()];
  const behind = { behind: { hub: HUB, otherSubject: false } };
  expect(await shown()).toEqual([{ dialect: "zigbee2mqtt", hub: { children: 1, otherSubjects: 0 } }, behind]);
  for (const one of [HUB, LAMP]) await redis.hset(keyspace.credential(one), "tag", BORIS);
  expect(await shown()).toEqual([]);
});

test("an outage is a fault, never a refusal, and nothing speaks that did not", async () => {
  const { hubs, redis, another } = store();
  await household();
  redis.disconnect();
  await expect(hubs.register(HUB, [child(LOCK, "lock")])).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  await expect(hubs.load(HUB)).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  await expect(hubs.remove(HUB, LAMP)).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  const { hubs: after } = await another();
  expect(await after.load(HUB)).toMatchObject([{ key: LAMP, subjectTag: ANNA }]);
});

describe("Redis goes away in the middle, at any command, of", () => {
  /** Lets so many commands through, and no more until it is called again. */
  function only(commands: number): () => void {
    const { redis } = store();
    const send = redis.sendCommand.bind(redis);
    let left = commands;
    // A pipeline is one packet: all of it arrives, or nothing.
    const pipelines = new Map<unknown, boolean>();
    redis.sendCommand = (command, stream) => {
      const passes = pipelines.get(stream) ?? left-- > 0;
      if (stream !== undefined) pipelines.set(stream, passes);
      if (passes) return send(command, stream);
      command.reject(new Error("Connection is closed."));
      return command.promise;
    };
    return () => {
      redis.sendCommand = send;
    };
  }

  /** Runs it with one command more each time, until it comes through; returns how often it did not. */
  async function atEach(act: () => Promise<unknown>, after: (failed: boolean) => Promise<void>): Promise<number> {
    for (let commands = 0; ; commands += 1) {
      const again = only(commands);
      const failed = await act().then(
        () => false,
        (error) => {
          expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE" });
          return true;
        },
      );
      again();
      await after(failed);
      if (!failed) return commands;
    }
  }

  test("a registration: the child is heard or it is not, others are, and asked again it is done", async () => {
    await household();
    const { hubs, credentials } = store();
    const failures = await atEach(
      () => hubs.register(HUB, [child(LOCK, "lock"), child(LAMP, "lamp by the door")]),
      async () => {
        const now = await hubs.load(HUB);
        for (const { key, alias, subjectTag } of now) {
          const names = key === LOCK ? [named("lock")] : [named("lamp"), named("lamp by the door")];
          if (subjectTag !== undefined) expect(names).toContain(alias);
        }
        const children = [child(LOCK, "lock"), child(LAMP, "lamp by the door")];
        for (const outcome of await hubs.register(HUB, children)) expect(outcome).toMatch(/^(registered|already)$/);
        expect((await heard()).sort()).toEqual([LAMP, LOCK].sort());
        await hubs.remove(HUB, LOCK);
        expect(await credentials.issue(LOCK)).toHaveProperty("token");
        await hubs.register(HUB, [child(LAMP, "lamp")]);
        expect(await hubs.load(HUB)).toMatchObject([{ key: LAMP, alias: named("lamp") }]);
      },
    );
    expect(failures).toBeGreaterThan(8);
  });

  test.each([
    ["the sale of a hub", () => store().ledger.bind(BORIS, HUB)],
    ["the sale of a child", () => store().ledger.bind(BORIS, LAMP)],
    ["the unbinding of a hub", () => store().ledger.unbind(ANNA, HUB)],
    ["the unbinding of a child", () => store().ledger.unbind(ANNA, LAMP)],
    ["an erasure, for the hub", () => store().hubs.forget(ANNA, HUB)],
    ["an erasure, for the child", () => store().hubs.forget(ANNA, LAMP)],
    ["a removal", () => store().hubs.remove(HUB, LAMP)],
  ])("%s: heard as before or silent, and asked again nothing is left", async (_, end) => {
    await household();
    const { ledger, hubs, redis, keyspace } = store();
    let begun = false;
    const failures = await atEach(end, async (failed) => {
      const now = await heard();
      // Once it was silent it stays so, however often it is tried.
      if (begun) expect(now).toEqual([]);
      begun ||= now.length === 0;
      if (failed) return;
      expect(await heard()).toEqual([]);
      for (const one of [HUB, LAMP]) await ledger.bind(ANNA, one);
      expect(await heard()).toEqual([]);
      expect(await redis.exists(keyspace.children(HUB))).toBe(0);
      expect([await fieldsOf(HUB), await fieldsOf(LAMP)]).toEqual([[], []]);
      expect(await hubs.register(HUB, [child(LAMP, "lamp")])).toEqual(["registered"]);
    });
    expect(failures).toBeGreaterThan(2);
  });
});
