/** Promise: every change is one event in an unbroken chain, decisions follow it at once, and two writers never half-win. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { decide } from "../../src/consent/decision/decide.ts";
import { canonicalJson, hashText } from "../../src/consent/hash-chain.ts";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { verifiedEvents } from "../../src/consent/ledger/store.ts";
import { usable } from "../../src/model/consent.ts";
import type { DeviceKey, SubjectTag } from "../../src/model/ids.ts";
import type { Purpose } from "../../src/model/purposes.ts";
import { PURPOSES } from "../../src/model/purposes.ts";
import { connectRedis } from "../../src/platform/redis.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { tokenOf } from "../fixtures/token.ts";
import { CONSENT, consentStore, device, everythingIn, subject } from "./consent-fixture.ts";

const { store, server } = consentStore();
const ANNA = subject("anna");
const BORIS = subject("boris");
const HUB = device("hub-1");
const BULB = device("bulb-1");

/** What the hot path would do with a message that carries everything. */
async function verdict(tag: SubjectTag, key: DeviceKey): Promise<string | Purpose[]> {
  const { decisions, floors } = await store().gate.read([{ subjectTag: tag, deviceKey: key }]);
  const { refusal, grants } = decide(decisions[0], floors, Date.now());
  return refusal ?? PURPOSES.filter((purpose) => usable(grants, purpose, 0xf) !== 0);
}

describe("binding", () => {
  test("is not consent", async () => {
    await store().ledger.bind(ANNA, HUB);
    expect(await verdict(ANNA, HUB)).toBe("no-consent");
  });

  test("twice is once", async () => {
    const { ledger } = store();
    await Promise.all([ledger.bind(ANNA, HUB), ledger.bind(ANNA, HUB)]);
    await ledger.bind(ANNA, HUB);
    const record = await ledger.record(ANNA);
    expect(record?.events.map((event) => event.type)).toEqual(["bound"]);
    expect(record?.devices).toMatchObject([{ device: HUB }]);
  });

  test("to another subject takes the device away, with its decision, and ends its session", async () => {
    const { ledger, credentials, keyspace, redis } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    const token = await tokenOf(credentials, HUB);
    const listener = connectRedis(server().url, "subscriber");
    await listener.connect();
    await listener.subscribe(keyspace.sessionEnd);
    const told = once(listener, "message");

    expect(await ledger.bind(BORIS, HUB)).toMatchObject({ moved: true });
    expect(await told).toEqual([keyspace.sessionEnd, HUB]);
    expect(await redis.exists(keyspace.decision(ANNA, HUB))).toBe(0);
    expect(await verdict(ANNA, HUB)).toBe("no-consent");
    expect(await verdict(BORIS, HUB)).toBe("no-consent");
    expect(await credentials.verify(HUB, token)).toBeUndefined();
    expect(await credentials.verify(HUB, await tokenOf(credentials, HUB))).toMatchObject({ subjectTag: BORIS });
    expect((await ledger.record(ANNA))?.devices).toEqual([]);
    expect(await redis.smembers(keyspace.devices(ANNA))).toEqual([]);
    expect(await redis.smembers(keyspace.devices(BORIS))).toEqual([HUB]);
    expect(await redis.hget(keyspace.subject(BORIS), "key")).not.toBe(await redis.hget(keyspace.subject(ANNA), "key"));
    listener.disconnect();
  });

  test("by two subjects at once ends with one owner", async () => {
    const { ledger, redis, keyspace, another } = store();
    const rival = await another();
    for (let round = 0; round < 5; round += 1) {
      const key = device(`contested-${round}`);
      const results = await Promise.allSettled([ledger.bind(ANNA, key), rival.ledger.bind(BORIS, key)]);
      const failed = results.filter((result) => result.status === "rejected");
      for (const { reason } of failed) expect(reason).toMatchObject({ code: "CONSENT_CONFLICT" });
      const owners = [];
      for (const tag of [ANNA, BORIS]) if (await redis.sismember(keyspace.devices(tag), key)) owners.push(tag);
      expect(owners).toEqual([await redis.hget(keyspace.credential(key), "tag")]);
    }
  });

  test("that was interrupted is completed by the next one", async () => {
    const { ledger, redis, keyspace } = store();
    await ledger.bind(ANNA, HUB);
    // What a claim leaves behind when the process dies right after it.
    await redis.hset(keyspace.credential(HUB), { claim: "dead", target: BORIS, from: `${ANNA},${BORIS}` });
    await redis.hdel(keyspace.credential(HUB), "tag");
    expect(await ledger.bind(BORIS, HUB)).toMatchObject({ moved: true });
    expect((await ledger.record(ANNA))?.devices).toEqual([]);
    expect(await redis.hgetall(keyspace.credential(HUB))).toEqual({ tag: BORIS });
  });

  test("undone, the device is no one's; undone again, nothing happens", async () => {
    const { ledger, redis, keyspace } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    expect(await ledger.unbind(ANNA, HUB)).toMatchObject({ fence: 1, narrowed: true, silenced: [HUB] });
    expect(await verdict(ANNA, HUB)).toBe("no-consent");
    expect(await redis.hget(keyspace.credential(HUB), "tag")).toBeNull();
    expect(await ledger.unbind(ANNA, HUB)).toBeUndefined();
    expect(await ledger.unbind(BORIS, HUB)).toBeUndefined();
  });
});

describe("giving", () => {
  test("opens exactly the purposes named, for devices bound before and after", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    expect(await ledger.give(ANNA, { ...CONSENT, purposes: { scene: ["status"] } })).toEqual({
      fence: 0,
      narrowed: false,
      silenced: [],
    });
    await ledger.bind(ANNA, BULB);
    expect(await verdict(ANNA, HUB)).toEqual(["scene"]);
    expect(await verdict(ANNA, BULB)).toEqual(["scene"]);
  });

  test("may be limited to a device", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.bind(ANNA, BULB);
    await ledger.give(ANNA, { ...CONSENT, devices: [HUB] });
    expect(await verdict(ANNA, HUB)).toEqual([...PURPOSES]);
    expect(await verdict(ANNA, BULB)).toBe("no-consent");
    expect(await ledger.give(ANNA, { ...CONSENT, devices: [device("foreign")] })).toEqual({
      refused: "device-not-bound",
    });
  });

  test("less than before is a fence", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    const answer = await ledger.give(ANNA, { ...CONSENT, purposes: { scene: ["status"] } });
    expect(answer).toMatchObject({ fence: 1, narrowed: true, silenced: [] });
    expect(await ledger.refuse(ANNA, CONSENT)).toMatchObject({ fence: 2, narrowed: true, silenced: [HUB] });
    expect(await verdict(ANNA, HUB)).toBe("no-consent");
  });

  test("pins the policy and its terms in the record", async () => {
    const { ledger, policies } = store();
    await ledger.give(ANNA, { ...CONSENT, purposes: { network: ["ip"] }, evidenceRef: "form:81" });
    const record = await ledger.record(ANNA);
    expect(record?.consent).toMatchObject({
      state: "given",
      controller: "vendor",
      jurisdiction: ["IN"],
      policyVersion: 1,
      policyHash: (await policies.get(1))?.hash,
      noticeLanguage: "en",
      purposes: [
        {
          id: "network",
          basis: "consent",
          categories: ["ip"],
          recipients: ["network functions"],
          retentionDays: 0,
          regions: ["IN"],
        },
      ],
    });
    expect((record?.consent?.expiresAt ?? 0) - Date.now()).toBeGreaterThan(364 * 86_400_000);
  });

  test.each([
    ["policy-version-unknown", { policyVersion: 7 }],
    ["purpose-not-in-policy", { purposes: { weather: ["model"] } }],
    ["expiry-out-of-range", { expiresAt: 1 }],
    ["expiry-out-of-range", { expiresAt: Date.now() + 20 * 365 * 86_400_000 }],
  ] as const)("is refused as %s and leaves nothing", async (refused, change) => {
    const { ledger } = store();
    expect(await ledger.give(ANNA, { ...CONSENT, ...change })).toEqual({ refused });
    expect(await ledger.record(ANNA)).toBeUndefined();
  });

  test("ends by itself", async () => {
    const { ledger, gate } = store();
    await ledger.bind(ANNA, HUB);
    const expiresAt = Date.now() + 60_000;
    await ledger.give(ANNA, { ...CONSENT, expiresAt });
    const { decisions, floors } = await gate.read([{ subjectTag: ANNA, deviceKey: HUB }]);
    expect(decide(decisions[0], floors, expiresAt - 1).refusal).toBeUndefined();
    expect(decide(decisions[0], floors, expiresAt)).toEqual({ refusal: "consent-expired" });
  });
});

describe("a minor", () => {
  const guardian = { verified: true, method: "id-check", evidenceRef: "case:7" };

  test("without a verified guardian is refused, and turning minor is a fence", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    expect(await ledger.give(ANNA, { ...CONSENT, minor: true })).toMatchObject({ narrowed: true, silenced: [HUB] });
    expect(await verdict(ANNA, HUB)).toBe("guardian-missing");
    await ledger.give(ANNA, { ...CONSENT, minor: true, guardian: { ...guardian, verified: false } });
    expect(await verdict(ANNA, HUB)).toBe("guardian-missing");
  });

  test("with one gets service purposes only, and cannot widen alone later", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, { ...CONSENT, minor: true, guardian });
    expect(await verdict(ANNA, HUB)).toEqual(["weather", "scene", "network"]);
    await ledger.give(ANNA, CONSENT);
    expect(await verdict(ANNA, HUB)).toBe("guardian-missing");
    expect(await ledger.give(ANNA, { ...CONSENT, by: "guardian" })).toEqual({ refused: "guardian-mismatch" });
    await ledger.give(ANNA, { ...CONSENT, by: "guardian", guardianRef: guardian.evidenceRef });
    expect(await verdict(ANNA, HUB)).toEqual(["weather", "scene", "network"]);
  });
});

describe("withdrawing", () => {
  test("everything, a purpose, a category, a category of a purpose", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    expect(await ledger.withdraw(ANNA, { purposes: ["weather"] })).toEqual({ fence: 1, narrowed: true, silenced: [] });
    expect(await verdict(ANNA, HUB)).toEqual(["analytics", "scene", "network"]);
    await ledger.withdraw(ANNA, { categories: ["ip"] });
    expect(await verdict(ANNA, HUB)).toEqual(["analytics", "scene"]);
    await ledger.withdraw(ANNA, { purposes: ["analytics"], categories: ["status"] });
    expect((await ledger.record(ANNA))?.consent?.purposes.map(({ id, categories }) => [id, categories])).toEqual([
      ["analytics", ["model", "location"]],
      ["scene", ["status"]],
    ]);
    expect(await ledger.withdraw(ANNA, {})).toEqual({ fence: 4, narrowed: true, silenced: [HUB] });
    expect(await verdict(ANNA, HUB)).toBe("consent-withdrawn");
  });

  test("for one device holds for that one, and still holds when it was unbound and comes back", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.bind(ANNA, BULB);
    await ledger.give(ANNA, CONSENT);
    expect(await ledger.withdraw(ANNA, { devices: [HUB] })).toMatchObject({ silenced: [HUB] });
    expect(await verdict(ANNA, BULB)).toEqual([...PURPOSES]);
    await ledger.unbind(ANNA, HUB);
    await ledger.bind(ANNA, HUB);
    expect(await verdict(ANNA, HUB)).toBe("consent-withdrawn");
  });

  test("twice is one event and one fence; of a stranger it is refused", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    await ledger.withdraw(ANNA, {});
    expect(await ledger.withdraw(ANNA, {})).toMatchObject({ fence: 1, repeated: true, silenced: [HUB] });
    expect((await ledger.record(ANNA))?.events).toHaveLength(3);
    expect(await ledger.withdraw(BORIS, {})).toEqual({ refused: "unknown-subject" });
    expect(await ledger.record(BORIS)).toBeUndefined();
  });

  test("is undone by consenting again", async () => {
    const { ledger } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    await ledger.withdraw(ANNA, {});
    await ledger.give(ANNA, { ...CONSENT, purposes: { scene: ["status"] } });
    expect(await verdict(ANNA, HUB)).toEqual(["scene"]);
  });
});

describe("two writers on one record", () => {
  test("both get through, one after the other, in one chain", async () => {
    const { ledger, another, redis, keyspace } = store();
    const rival = await another();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        (index % 2 === 0 ? ledger : rival.ledger).withdraw(ANNA, {
          purposes: ["weather"],
          evidenceRef: `call-${index}`,
        }),
      ),
    );
    const record = await ledger.record(ANNA);
    expect(record?.fence).toBe(8);
    expect(record?.events).toHaveLength(10);
    expect(await redis.hget(keyspace.subject(ANNA), "fence")).toBe("8");
  });

  test("the one who never comes first is told so and has changed nothing", async () => {
    const { ledger, redis, keyspace } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    let head = (await redis.hget(keyspace.subject(ANNA), "head")) ?? "";
    let rivalEvents = 0;
    // The clock is asked between reading and appending: there, on the same connection, a rival is faster each time.
    const outrun = new Ledger(redis, keyspace, {
      createSubjectKey: () => "key",
      journal: NO_JOURNAL,
      controller: "vendor",
      expiryDays: 1,
      now: () => {
        const stamp = { schemaVersion: 1, recordId: randomUUID(), at: 1, by: "authority", fence: 0, prevHash: head };
        const text = canonicalJson({ ...stamp, type: "released" });
        head = hashText(text);
        rivalEvents += 1;
        void redis.multi().rpush(keyspace.ledger(ANNA), text).hset(keyspace.subject(ANNA), "head", head).exec();
        return Date.now();
      },
    });
    await expect(outrun.withdraw(ANNA, {})).rejects.toMatchObject({ code: "CONSENT_CONFLICT" });
    const record = await ledger.record(ANNA);
    expect(record?.events).toHaveLength(2 + rivalEvents);
    expect(record?.events.some((event) => event.type === "withdrawn")).toBe(false);
    expect(await verdict(ANNA, HUB)).toEqual([...PURPOSES]);
  });
});

describe("a ledger that has all the events it may have", () => {
  test("takes no more consent, and everything that takes away; said twice that is not written twice", async () => {
    const { redis, keyspace } = store();
    const options = { createSubjectKey: () => "key", controller: "vendor", expiryDays: 1, now: Date.now };
    const full = new Ledger(redis, keyspace, { ...options, journal: NO_JOURNAL, wideningLimit: 2 });
    await full.bind(ANNA, HUB);
    await full.give(ANNA, CONSENT);
    await expect(full.give(ANNA, CONSENT)).rejects.toMatchObject({ code: "LEDGER_FULL" });
    await full.bind(BORIS, device("lamp-1"));
    await expect(full.bind(ANNA, device("lamp-1"))).rejects.toMatchObject({ code: "LEDGER_FULL" });
    expect((await full.record(BORIS))?.devices).toHaveLength(1);
    await full.withdraw(ANNA, { purposes: ["scene"] });
    for (let time = 0; time < 3; time += 1) await full.withdraw(ANNA, {});
    expect((await full.record(ANNA))?.events.map(({ type }) => type)).toEqual([
      "bound",
      "given",
      "withdrawn",
      "withdrawn",
    ]);
    expect(await verdict(ANNA, HUB)).toBe("consent-withdrawn");
    await full.unbind(ANNA, HUB);
    expect((await full.record(ANNA))?.devices).toEqual([]);
  });
});

describe("the chain", () => {
  async function texts(): Promise<{ head: string; texts: string[] }> {
    const { ledger, redis, keyspace } = store();
    await ledger.bind(ANNA, HUB);
    await ledger.give(ANNA, CONSENT);
    await ledger.withdraw(ANNA, {});
    const head = (await redis.hget(keyspace.subject(ANNA), "head")) ?? "";
    return { head, texts: await redis.lrange(keyspace.ledger(ANNA), 0, -1) };
  }

  test("verifies, and its texts are canonical", async () => {
    const chain = await texts();
    expect(verifiedEvents(ANNA, chain.head, chain.texts).map((event) => event.type)).toEqual([
      "bound",
      "given",
      "withdrawn",
    ]);
    for (const text of chain.texts) expect(canonicalJson(JSON.parse(text))).toBe(text);
  });

  test("breaks when an event is changed, dropped, cut off, reordered or belongs to another subject", async () => {
    const { head, texts: good } = await texts();
    const [first = "", second = "", third = ""] = good;
    const broken = { code: "LEDGER_BROKEN" };
    const attempt =
      (list: string[], tag = ANNA) =>
      () =>
        verifiedEvents(tag, head, list);
    expect(attempt([first, second.replace('"method":"app"', '"method":"web"'), third])).toThrow(
      expect.objectContaining(broken),
    );
    expect(attempt([first, third])).toThrow(expect.objectContaining(broken));
    expect(attempt([first, second])).toThrow(expect.objectContaining(broken));
    expect(attempt([second, first, third])).toThrow(expect.objectContaining(broken));
    expect(attempt(good, BORIS)).toThrow(expect.objectContaining(broken));
    expect(attempt(["{", second, third])).toThrow(expect.objectContaining(broken));
  });

  test("broken in Redis, the ledger refuses to build on it", async () => {
    const { ledger, redis, keyspace } = store();
    await texts();
    await redis.lset(keyspace.ledger(ANNA), 1, "{}");
    await expect(ledger.give(ANNA, CONSENT)).rejects.toMatchObject({ code: "LEDGER_BROKEN" });
    await expect(ledger.record(ANNA)).rejects.toMatchObject({ code: "LEDGER_BROKEN" });
  });

  test("broken in Redis, it allows nothing from the moment that is found", async () => {
    const { ledger, redis, keyspace } = store();
    await texts();
    await ledger.give(ANNA, CONSENT);
    expect(await redis.get(keyspace.decision(ANNA, HUB))).toContain("|given|");
    await redis.lset(keyspace.ledger(ANNA), 1, "{}");
    // Even a withdrawal cannot be written on it, but what it would take away is gone.
    await expect(ledger.withdraw(ANNA, {})).rejects.toMatchObject({ code: "LEDGER_BROKEN" });
    expect(await redis.get(keyspace.decision(ANNA, HUB))).toBeNull();
  });
});

test("no id of a device or a subject rests in Redis, in any key or value", async () => {
  const { ledger, credentials, leases, redis } = store();
  await ledger.bind(subject("canary-subject"), device("canary-device"));
  await tokenOf(credentials, device("canary-device"));
  await ledger.give(subject("canary-subject"), {
    ...CONSENT,
    devices: [device("canary-device")],
    evidenceRef: "form:81",
  });
  await ledger.withdraw(subject("canary-subject"), { purposes: ["scene"] });
  await ledger.bind(subject("canary-heir"), device("canary-device"));
  await leases.acquire();
  const everything = await everythingIn(redis);
  expect(everything).toContain(subject("canary-subject"));
  expect(everything).not.toMatch(/canary/i);
  expect(everything).not.toContain(Buffer.from("canary-device").toString("base64").slice(0, 14));
});

test("all keys of one subject lie in one cluster slot", async () => {
  const { keyspace } = store();
  for (const key of [
    keyspace.subject(ANNA),
    keyspace.ledger(ANNA),
    keyspace.devices(ANNA),
    keyspace.decision(ANNA, HUB),
  ]) {
    expect(/\{(.+?)\}/.exec(key)?.[1]).toBe(ANNA);
  }
});
