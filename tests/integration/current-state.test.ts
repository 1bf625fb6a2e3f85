/**
 * A service that subscribes to `$current` is told once the latest message of each name, marked as such, as far as it is new enough
 * and consented to at that moment; and nothing of anyone who took consent back, is held or erased, or sold the device.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import { allTold, currentOf, type Heard, LateJoiner, newService } from "../fixtures/late-joiner.ts";
import { consentTo, type Device, marks, name, startSystem, type TestSystem } from "../fixtures/system.ts";

const APPROVERS = ["legal", "privacy"].map((one) => ({ name: one, token: `approver-${one}-0123456789-0123456789` }));
const WORDS = Array.from({ length: 40 }, (_, index) => `word_${index}`);
const SCENE = consentTo({ scene: ["model", "status"] });
const MINUTE_MS = 60_000;

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem(
    { http: { approvers: APPROVERS }, current: { forMinutes: 30 }, properties: [marks(...WORDS)] },
    { shortSteps: true },
  );
});
afterAll(() => system?.stop());

const late: LateJoiner[] = [];
afterEach(async () => {
  for (const one of late.splice(0)) await one.stop();
});
async function login(...args: Parameters<typeof LateJoiner.login>): Promise<LateJoiner> {
  const one = await LateJoiner.login(...args);
  late.push(one);
  return one;
}

let used = 0;
/** A word that no other message of this file says. */
const word = (): string => WORDS[used++] as string;
const said = (heard: readonly Heard[]) => heard.map(({ status }) => status?.mark);
const of = (heard: readonly Heard[], mark: string) => heard.filter(({ status }) => status.mark === mark);

/** A device of someone who consents to scenes, with one message of its own word. */
async function speaking(consent = SCENE): Promise<{ device: Device; mark: string }> {
  const device = await system.device({ consent });
  const mark = word();
  await system.say(device, { model: "HB-200", status: { mark } });
  await system.settled();
  return { device, mark };
}

test("a late joiner is told the latest message of each name alone, once and marked, though no one listened when it was said", async () => {
  const [device, other] = await system.devices(2, { consent: SCENE });
  const [before, after, others] = [word(), word(), word()];
  if (device === undefined || other === undefined) throw new Error("devices");
  await system.say(device, { model: "HB-200", status: { mark: before } });
  await system.say(device, { model: "HB-200", status: { mark: after } });
  await system.say(other, { status: { mark: others } });
  const books = await system.settled();
  expect(books.refused["no-recipient"] ?? 0).toBe(0);
  const heard = await currentOf(system, "scene");
  expect(said(heard).sort()).toEqual([after, others].sort());
  const [one] = of(heard, after);
  expect(one).toEqual({ device: one?.device, model: "hub", status: { mark: after }, at: one?.at, current: true });
  expect(one?.at).toBeLessThanOrEqual(Date.now());
  // What comes live afterwards is under the same name, and not marked.
  const scene = await system.listen("scene");
  const live = word();
  await system.say(device, { model: "HB-200", status: { mark: live } });
  await until("it is heard", () => scene.records.length > 0);
  expect(scene.records).toMatchObject([{ device: one?.device, status: { mark: live } }]);
  expect(scene.records[0]).not.toHaveProperty("current");
  await scene.stop();
});

test("each one who was told stands on the account of disclosures", async () => {
  const { device, mark } = await speaking();
  const credential = await newService(system, "scene");
  expect(said(await currentOf(system, "scene", { credential }))).toContain(mark);
  const account = (await system.stack.api.call("GET", "/v1/subjects/{subject}/disclosures", [device.subject])) as {
    disclosures: { recipient: string; purpose: string; count: number }[];
  };
  expect(account.disclosures).toMatchObject([{ recipient: credential.name, purpose: "scene", count: 1 }]);
});

describe("nothing is told", () => {
  test("of someone who withdrew, from the answer on, and the record is gone", async () => {
    const { device, mark } = await speaking();
    const { mark: stays } = await speaking();
    const kept = await system.scenesKept();
    expect(await system.stack.api.withdraw(device.subject)).toMatchObject({ drained: true });
    expect(await system.scenesKept()).toBe(kept - 1);
    // Consent given again does not reach back.
    await system.stack.api.consent(device.subject, SCENE);
    const marksHeard = said(await currentOf(system, "scene"));
    expect(marksHeard).toContain(stays);
    expect(marksHeard).not.toContain(mark);
  });

  test("of a category that was withdrawn, also after a new consent", async () => {
    const { device, mark } = await speaking();
    await system.stack.api.withdraw(device.subject, { categories: ["model"] });
    const [less] = of(await currentOf(system, "scene"), mark);
    expect(less).toMatchObject({ status: { mark } });
    expect(less).not.toHaveProperty("model");
    await system.stack.api.consent(device.subject, SCENE);
    expect(of(await currentOf(system, "scene"), mark)[0]).not.toHaveProperty("model");
  });

  test("of someone under a hold; the record stays as it is", async () => {
    const { device, mark } = await speaking();
    const kept = await system.scenesKept();
    const url = `${system.stack.httpUrl}/v1/subjects/${device.subject}/hold`;
    const body = JSON.stringify({ reference: "court:59", until: Date.now() + 10 * MINUTE_MS });
    for (const { token } of APPROVERS) {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      expect((await fetch(url, { method: "PUT", body, headers })).ok).toBe(true);
    }
    expect(said(await currentOf(system, "scene"))).not.toContain(mark);
    expect(await system.scenesKept()).toBe(kept);
  });

  test("of someone who was erased; the name that was told before is told to be forgotten", async () => {
    const { device, mark } = await speaking();
    const [told] = of(await currentOf(system, "scene"), mark);
    const forgetting = await login(system, "scene");
    expect(await forgetting.ask("privacy/erased/scene")).toBe("granted");
    const kept = await system.scenesKept();
    const { receipt } = await system.erase(device.subject);
    expect(receipt?.receipt).toMatchObject({ keyDestroyed: true });
    expect(await system.scenesKept()).toBe(kept - 1);
    expect(said(await currentOf(system, "scene"))).not.toContain(mark);
    const names = () =>
      forgetting.packets.flatMap(({ payload }) => (JSON.parse(String(payload)) as { pseudonyms: string[] }).pseudonyms);
    await until("it is told to forget the name", () => names().includes(told?.device ?? ""));
  });

  test("of a device that was sold", async () => {
    const { device, mark } = await speaking();
    const owner = name("subject");
    await system.stack.api.bind(owner, device.id);
    await system.stack.api.consent(owner, SCENE);
    expect(said(await currentOf(system, "scene"))).not.toContain(mark);
  });

  test("that is older than it may be", async () => {
    const device = await system.device({ consent: SCENE });
    const [old, recent] = [word(), word()];
    await system.say(device, { status: { mark: old }, ts: Date.now() - 31 * MINUTE_MS });
    const other = await system.device({ consent: SCENE });
    await system.say(other, { status: { mark: recent }, ts: Date.now() - 28 * MINUTE_MS });
    const books = await system.settled();
    expect(books.refused["no-recipient"]).toBe(1);
    const heard = said(await currentOf(system, "scene"));
    expect(heard).toContain(recent);
    expect(heard).not.toContain(old);
  });
});

test("a service with narrower categories is told no more than these", async () => {
  const { mark } = await speaking();
  const credential = await newService(system, "scene", { categories: ["status"] });
  const [one] = of(await currentOf(system, "scene", { credential }), mark);
  expect(one).toMatchObject({ status: { mark }, current: true });
  expect(one).not.toHaveProperty("model");
});

test("who subscribes and unsubscribes again and again is told once; the connection beside it as well", async () => {
  const { mark } = await speaking();
  const [one, other] = [await login(system, "scene"), await login(system, "scene")];
  expect(await one.ask()).toBe("granted");
  for (let round = 0; round < 5; round += 1) {
    await one.client.unsubscribeAsync(one.topic);
    expect(await one.ask()).toBe("denied");
  }
  expect(await other.ask()).toBe("granted");
  await allTold(system);
  for (const joiner of [one, other]) await joiner.caughtUp();
  // The one that unsubscribed at once may have been told nothing.
  expect(of(one.heard, mark).length).toBeLessThanOrEqual(1);
  expect(of(other.heard, mark)).toHaveLength(1);
});

test("of a shared subscription the member that asks is told, and no other", async () => {
  const { mark } = await speaking();
  const [one, other] = [await login(system, "scene"), await login(system, "scene")];
  expect(await other.ask("$share/homes/processed/scene/#")).toBe("granted");
  expect(await one.ask("$share/homes/processed/scene/#")).toBe("granted");
  expect(await one.ask("$share/homes/processed/scene/$current")).toBe("granted");
  await allTold(system);
  for (const joiner of [one, other]) await joiner.caughtUp();
  expect(of(one.heard, mark)).toHaveLength(1);
  expect(other.heard).toEqual([]);
});

test("a service may not ask for another purpose, and a device for none", async () => {
  const joiner = await login(system, "scene");
  expect(await joiner.ask("processed/network/$current")).toBe("denied");
  const device = await system.device({ consent: SCENE });
  const client = await system.connect(device);
  await expect(client.subscribeAsync("processed/scene/$current")).rejects.toThrow();
});

test("what is kept can be read by no one else: neither a name nor a word of it stands in Redis", async () => {
  const { mark } = await speaking();
  const [told] = of(await currentOf(system, "scene"), mark);
  const entries = await system.redis.hgetall("{consentry:scenes}:records");
  expect(Object.keys(entries).length).toBeGreaterThan(0);
  for (const [field, value] of Object.entries(entries)) {
    const text = `${field} ${value} ${Buffer.from(value, "base64url").toString("latin1")}`;
    for (const canary of [mark, "mark", "hub", told?.device ?? ""]) expect(text).not.toContain(canary);
  }
});

test("what is kept is exported to its person", async () => {
  const { device, mark } = await speaking();
  const answer = await fetch(`${system.stack.httpUrl}/v1/subjects/${device.subject}/export`, {
    headers: { authorization: `Bearer ${system.stack.config.apiToken}` },
  });
  const lines = (await answer.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string });
  expect(lines.filter(({ kind }) => kind === "noted-scene")).toMatchObject([{ model: "hub", status: { mark } }]);
});

test("network: what was told of a device last, once it was told at all, without what does not hold any more", async () => {
  const device = await system.device({ consent: consentTo({ network: ["model", "ip"] }) });
  const network = await system.listen("network");
  await system.say(device, { model: "HB-200", ip: "203.0.113.7" });
  await until("it is told", () => network.records.length > 0);
  await network.stop();
  const [told] = network.newest;
  const mine = async () => (await currentOf(system, "network")).filter((one) => one.device === told?.device);
  expect(await mine()).toMatchObject([{ model: "hub", ipPrefix: "203.0.0.0/16", current: true }]);
  // Not the time of a message: that of a step.
  expect(network.records.map(({ at }) => at)).toContain((await mine())[0]?.at);
  await system.say(device, { ip: "198.51.100.9" });
  await system.settled();
  expect((await mine())[0]).not.toHaveProperty("ipPrefix");
  await system.stack.api.withdraw(device.subject, { purposes: ["network"] });
  expect(await mine()).toEqual([]);
});
