/** The account of disclosures on a real Redis: lines, counts, two gateways, erasure, age and holds. */
import { describe, expect, test } from "vitest";
import type { DisclosureLine, Recipient } from "../../src/model/disclosure.ts";
import type { Pseudonym, SubjectTag } from "../../src/model/ids.ts";
import { Disclosures, linesFrom } from "../../src/rights/access/disclosures.ts";
import type { ErasurePorts } from "../../src/rights/erasure/ports.ts";
import { CONSENT, consentStore, device, subject } from "./consent-fixture.ts";
import { erasuresOn } from "./erasure-fixture.ts";

const LIGHTS: Recipient = { index: 0, name: "lights", purpose: "scene", region: "IN-KA", contract: "dpa:1" };
const SKY: Recipient = { index: 1, name: "sky", purpose: "weather", region: "IN", contract: undefined };
const one = subject("one");
const two = subject("two");
const { store } = consentStore();

const account = () => new Disclosures(store().redis, store().keyspace);
const line = (tag: SubjectTag, recipient: Recipient, day: string, revision = 2): DisclosureLine => ({
  subject: tag,
  revision,
  recipient,
  day,
});
const shown = async (tag: SubjectTag) =>
  (await account().of(tag)).map(({ recipient, day, count }) => `${day} ${recipient} ${count}`);
const ALL = { from: "0000-01-01", to: "9999-12-31" };
const totals = async (range = ALL) =>
  (await account().totals(range)).map(({ recipient, day, count }) => `${day} ${recipient} ${count}`);

describe("a line", () => {
  test("is told with everything it says, by day, and opening it again changes nothing", async () => {
    const disclosures = account();
    const lines = [line(one, LIGHTS, "2026-03-31"), line(one, SKY, "2026-03-07"), line(one, LIGHTS, "2026-04-01")];
    await disclosures.open(lines);
    await disclosures.add(1, [[line(one, LIGHTS, "2026-03-31"), 12]]);
    await disclosures.open(lines);
    expect(await disclosures.of(one)).toEqual([
      { recipient: "sky", purpose: "weather", day: "2026-03-07", count: 0, region: "IN" },
      { recipient: "lights", purpose: "scene", day: "2026-03-31", count: 12, region: "IN-KA", contract: "dpa:1" },
      { recipient: "lights", purpose: "scene", day: "2026-04-01", count: 0, region: "IN-KA", contract: "dpa:1" },
    ]);
    expect(await totals()).toEqual(["2026-03-07 sky 0", "2026-03-31 lights 12", "2026-04-01 lights 0"]);
    expect(await totals({ from: "2026-03-08", to: "2026-03-31" })).toEqual(["2026-03-31 lights 12"]);
    expect(await disclosures.of(two)).toEqual([]);
  });

  test("adds up over every day of a month, whatever the digits", async () => {
    const disclosures = account();
    const days = Array.from({ length: 31 }, (_, index) => `2026-03-${String(index + 1).padStart(2, "0")}`);
    await disclosures.open(days.map((day) => line(one, SKY, day)));
    for (let round = 1; round <= 3; round += 1) {
      await disclosures.add(
        round,
        days.map((day, index) => [line(one, SKY, day), 7 * (index + 1) + round]),
      );
    }
    expect(await shown(one)).toEqual(days.map((day, index) => `${day} sky ${21 * (index + 1) + 6}`));
  });

  test("of more subjects than one call takes is on record for each of them", async () => {
    const subjects = Array.from({ length: 1_203 }, (_, index) => subject(`many-${index}`));
    await account().open(subjects.map((tag) => line(tag, SKY, "2026-03-07")));
    for (const tag of [subjects[0], subjects[600], subjects[1_202]])
      expect(await shown(tag as SubjectTag)).toEqual(["2026-03-07 sky 0"]);
    expect(await store().redis.keys(store().keyspace.disclosures("*" as SubjectTag))).toHaveLength(1_203);
  });
});

describe("counts", () => {
  test("of a call whose answer got lost are added once, and two gateways do not disturb each other", async () => {
    const [here, there] = [account(), new Disclosures((await store().another()).redis, store().keyspace)];
    const about = line(one, LIGHTS, "2026-03-07");
    await Promise.all([here.open([about]), there.open([about])]);
    await here.add(1, [[about, 5]]);
    await here.add(1, [[about, 5]]);
    await there.add(1, [[about, 100]]);
    await here.add(2, [[about, 1]]);
    await here.add(1, [[about, 5]]);
    expect((await account().of(one)).map(({ count }) => count)).toEqual([106]);
    expect(await totals()).toEqual(["2026-03-07 lights 106"]);
  });

  test("do not bring back a line that was erased", async () => {
    const disclosures = account();
    const about = line(one, SKY, "2026-03-07");
    await disclosures.open([about]);
    await store().redis.del(store().keyspace.disclosures(one));
    await disclosures.add(1, [[about, 3]]);
    expect(await store().redis.exists(store().keyspace.disclosures(one))).toBe(0);
  });
});

const NAMES: ErasurePorts["keyring"] = {
  pseudonym: (_key, of, purpose) => `${of}-${purpose}` as Pseudonym,
  forget: () => undefined,
};

/** No list of names is complete: they are worked out for everyone who may have some. */
const UNLISTED: ErasurePorts["forwarded"] = {
  of: async () => [],
  forget: async () => undefined,
  since: async () => undefined,
};

describe("an erasure", () => {
  test("takes what was disclosed before it was asked for, and nothing of what is consented to afterwards", async () => {
    const { ledger, gate } = store();
    await ledger.bind(one, device("lamp"));
    await ledger.give(one, CONSENT);
    const revisionNow = async () => {
      const { decisions } = await gate.read([{ subjectTag: one, deviceKey: device("lamp") }]);
      return decisions[0]?.revision ?? Number.NaN;
    };
    await account().open([line(one, SKY, "2026-03-07", await revisionNow()), line(two, SKY, "2026-03-07", 1)]);
    const fixture = erasuresOn(store(), { keyring: NAMES });
    const asked = await fixture.erasures.request(one, { by: "subject", method: "app" });
    if (asked.refused !== undefined) throw new Error(asked.refused);
    // Consented to again before the erasure got anywhere.
    await ledger.give(one, CONSENT);
    await account().open([line(one, LIGHTS, "2026-03-07", await revisionNow())]);
    await fixture.finish(asked.status.id);
    expect(await shown(one)).toEqual(["2026-03-07 lights 0"]);
    expect(await shown(two)).toEqual(["2026-03-07 sky 0"]);

    const again = await fixture.erasures.request(one, { by: "subject", method: "app" });
    if (again.refused !== undefined) throw new Error(again.refused);
    await fixture.finish(again.status.id);
    expect(await shown(one)).toEqual([]);
    expect(await store().redis.exists(store().keyspace.disclosures(one))).toBe(0);
  });

  test("says in its receipt who had got something and could not be told any more", async () => {
    const { ledger } = store();
    await ledger.bind(one, device("lamp"));
    await ledger.give(one, CONSENT);
    await account().open([line(one, SKY, "2026-03-07", 1), line(one, LIGHTS, "2026-03-07", 1)]);
    for (const services of [["lights"], []]) {
      const fixture = erasuresOn(store(), {
        keyring: NAMES,
        services: (purpose) => (purpose === "scene" ? services : []),
      });
      await ledger.give(one, CONSENT);
      await account().open([line(one, SKY, "2026-03-07", 3), line(one, LIGHTS, "2026-03-07", 3)]);
      const asked = await fixture.erasures.request(one, { by: "subject", method: "app" });
      if (asked.refused !== undefined) throw new Error(asked.refused);
      const { receipt } = await fixture.finish(asked.status.id);
      // A weather service never had a name that it could forget.
      expect(receipt.untold).toEqual(services.length > 0 ? undefined : [{ purpose: "scene", recipient: "lights" }]);
    }
  });

  test("names in its receipt one that was removed while it was to answer, and counts one that had answered before", async () => {
    const { ledger } = store();
    await ledger.bind(one, device("lamp"));
    await ledger.give(one, CONSENT);
    const BELLS = { ...LIGHTS, index: 7, name: "bells" };
    await account().open([line(one, BELLS, "2026-03-07", 1), line(one, LIGHTS, "2026-03-07", 1)]);
    let services = ["bells", "lights"];
    const answers: Promise<unknown>[] = [];
    const fixture = erasuresOn(
      store(),
      {
        keyring: NAMES,
        forwarded: UNLISTED,
        services: (purpose) => (purpose === "scene" ? services : []),
        tell: ({ id, purpose, service }) => {
          if (service === "bells") {
            const answer = fixture.digests.acknowledge(id, purpose, service);
            answers.push(
              answer.then(() => {
                services = [];
              }),
            );
          }
          return true;
        },
      },
      { acknowledgeWaitMs: 60_000, acknowledgeDeadlineMs: 60_000 },
    );
    const asked = await fixture.erasures.request(one, { by: "subject", method: "app" });
    if (asked.refused !== undefined) throw new Error(asked.refused);
    const { receipt } = await fixture.finish(asked.status.id);
    await Promise.all(answers);
    expect(receipt.untold).toEqual([{ purpose: "scene", recipient: "lights" }]);
    expect(receipt.services).toEqual([
      { purpose: "scene", notified: 1, acknowledged: 1, unacknowledged: 0, notices: [expect.any(String)] },
    ]);
  });

  test("says who answered of those that were removed and are registered again while others are waited for", async () => {
    const { ledger } = store();
    await ledger.bind(one, device("lamp"));
    await ledger.give(one, CONSENT);
    const BELLS = { ...LIGHTS, index: 7, name: "bells" };
    await account().open([line(one, BELLS, "2026-03-07", 1), line(one, LIGHTS, "2026-03-07", 1)]);
    // Not there when its names are put together.
    let services = ["lights"];
    const told: string[] = [];
    const fixture = erasuresOn(
      store(),
      {
        keyring: NAMES,
        forwarded: UNLISTED,
        services: (purpose) => (purpose === "scene" ? services : []),
        tell: ({ id, purpose, service, payloads }) => {
          told.push(service);
          expect(payloads).toHaveLength(1);
          if (service === "lights") services = ["bells", "lights"];
          // Only once the other one is back.
          if (told.includes("bells")) answers.push(fixture.digests.acknowledge(id, purpose, service));
          return true;
        },
      },
      { acknowledgeWaitMs: 60_000, acknowledgeDeadlineMs: 60_000 },
    );
    const answers: Promise<unknown>[] = [];
    const asked = await fixture.erasures.request(one, { by: "subject", method: "app" });
    if (asked.refused !== undefined) throw new Error(asked.refused);
    const { receipt } = await fixture.finish(asked.status.id);
    await Promise.all(answers);
    expect(told).toContain("bells");
    expect(receipt.untold).toBeUndefined();
    expect(receipt.services).toMatchObject([{ purpose: "scene", notified: 2, acknowledged: 2, unacknowledged: 0 }]);
  });

  test("that a restore repeats leaves the lines that came after it", () => {
    const fields = { "3|sky|weather|IN||2026-03": "07:1", "12|sky|weather|IN||2026-03": "08:2" };
    expect(Object.keys(linesFrom(0, fields))).toHaveLength(2);
    expect(linesFrom(4, fields)).toEqual({ "12|sky|weather|IN||2026-03": "08:2" });
    expect(linesFrom(13, fields)).toEqual({});
  });
});

describe("lines past their time", () => {
  const days = ["2025-12-31", "2026-02-28", "2026-03-06", "2026-03-07", "2026-04-01"];

  test("are counted, then deleted, but not those of someone under a hold", async () => {
    const disclosures = account();
    await disclosures.open([one, two].flatMap((tag) => days.map((day) => line(tag, SKY, day))));
    const held = new Set([two]);
    expect(await disclosures.older("2026-03-07", new Set())).toBe(6);
    expect(await disclosures.older("2026-03-07", held)).toBe(3);
    expect(await shown(one)).toHaveLength(5);
    expect(await disclosures.expire("2026-03-07", held)).toBe(3);
    expect(await shown(one)).toEqual(["2026-03-07 sky 0", "2026-04-01 sky 0"]);
    expect(await shown(two)).toHaveLength(5);
    expect(await totals()).toEqual(["2026-03-07 sky 0", "2026-04-01 sky 0"]);
    expect(await disclosures.expire("2026-03-07", held)).toBe(0);
    expect(await disclosures.expire("2027-01-01", new Set())).toBe(7);
    expect(await store().redis.keys(store().keyspace.disclosures("*" as SubjectTag))).toEqual([]);
    expect(await totals()).toEqual([]);
  });
});

test("a Redis that does not answer is told as such", async () => {
  const { redis, keyspace } = await store().another();
  redis.disconnect();
  const disclosures = new Disclosures(redis, keyspace);
  await expect(disclosures.open([line(one, SKY, "2026-03-07")])).rejects.toThrow("REDIS_UNAVAILABLE");
  await expect(disclosures.of(one)).rejects.toThrow("REDIS_UNAVAILABLE");
});
