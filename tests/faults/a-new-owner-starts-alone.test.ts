/**
 * A device that changes hands starts with its new owner alone: no one who had it before can log in as it, be heard
 * by it or reach it, however it left them.
 */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { until } from "../fixtures/eventually.ts";
import { startIngress } from "../fixtures/ingress.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { consentTo, type Device, EVERYTHING, name, startSystem, type TestSystem } from "../fixtures/system.ts";
import { tokenOf } from "../fixtures/token.ts";
import { consentStore, device as deviceKey, subject } from "../integration/consent-fixture.ts";

const REFUSED = /bad user ?name or password|not authorized/i;
const ANNA = subject("anna");
const BORIS = subject("boris");
const LAMP = deviceKey("lamp");

describe("on a whole system", () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startSystem();
  });
  afterAll(async () => {
    await system?.stop();
  });

  /** Asks of every way that there is which the former owner knows. */
  async function movedTo(subjectId: string, device: Device): Promise<Device> {
    await system.stack.api.bind(subjectId, device.id);
    await system.stack.api.consent(subjectId, consentTo(EVERYTHING));
    return { ...device, subject: subjectId, token: await system.stack.api.issueToken(device.id) };
  }

  test("the former owner's token ends with the binding, and so does the session it opened", async () => {
    const before = await system.device();
    const eavesdropper = await system.connect(before);
    await eavesdropper.subscribeAsync(`devices/${before.id}/commands/#`);
    const ended = new Promise<void>((resolve) => eavesdropper.once("close", () => resolve()));
    await system.stack.api.bind(name("subject"), before.id);
    await ended;
    await expect(system.connect(before)).rejects.toThrow(REFUSED);
    const token = await system.stack.api.issueToken(before.id);
    expect((await system.connect({ ...before, token })).connected).toBe(true);
    await expect(system.connect(before)).rejects.toThrow(REFUSED);
  });

  test("bound again to whom it belongs, and issued before it belongs to anybody, a token stays good", async () => {
    const device = await system.device();
    await system.stack.api.bind(device.subject, device.id);
    await system.say(device, { status: { power_on: true } });
    await unbind(device);
    await system.stack.api.bind(device.subject, device.id);
    expect((await system.connect(device)).connected).toBe(true);
  });

  test("unbound in between, or its owner erased, changes nothing about that", async () => {
    const [unbound, erased] = await system.devices(2);
    if (unbound === undefined || erased === undefined) throw new Error("two devices");
    await unbind(unbound);
    await system.stack.api.bind(name("subject"), unbound.id);
    await expect(system.connect(unbound)).rejects.toThrow(REFUSED);

    await post(`/v1/subjects/${erased.subject}/erasures`, { by: "subject", method: "app" });
    await unbind(erased);
    await system.stack.api.bind(name("subject"), erased.id);
    await expect(system.connect(erased)).rejects.toThrow(REFUSED);
  });

  test("a scene service that knew the device of the former owner does not reach the new owner's", async () => {
    const before = await system.device();
    const scene = await system.listen("scene");
    await system.say(before, { status: { power_on: true } });
    await until("the scene service knows it", () => scene.packets.length > 0);
    const pseudonym = scene.packets[0]?.topic.split("/").at(-1);
    const after = await movedTo(name("subject"), before);
    const lamp = await system.connect(after);
    const heard: string[] = [];
    lamp.on("message", (topic) => heard.push(topic));
    await lamp.subscribeAsync(`devices/${after.id}/commands/#`);
    const service = await commander();
    await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"off"}', { qos: 1 });
    expect(await system.metric("commands_total", '{outcome="delivered"}')).toBe(0);
    expect(heard).toEqual([]);
    await scene.stop();
  });

  async function commander(): Promise<MqttClient> {
    const { name: username, token } = system.stack.serviceCredential("scene");
    return system.connect({ id: username, subject: "", token }, { clientId: "commander" });
  }

  async function unbind({ subject: owner, id }: Device): Promise<void> {
    const answer = await fetch(`${system.stack.httpUrl}/v1/subjects/${owner}/devices/${id}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${system.stack.config.apiToken}` },
    });
    expect(answer.status).toBe(204);
  }

  async function post(path: string, body: unknown): Promise<void> {
    const headers = { authorization: `Bearer ${system.stack.config.apiToken}`, "content-type": "application/json" };
    const answer = await fetch(`${system.stack.httpUrl}${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(202);
  }
});

test("while a device is in transit to its new owner, the former owner's scene does not reach it", async () => {
  const ingress = await startIngress();
  const pseudonym = "key-lamp".padEnd(22, "_");
  ingress.rememberScene(pseudonym, { deviceKey: "key-lamp", subjectTag: "tag-of-anna" });
  await ingress.device("lamp");
  const service = await ingress.service();
  await service.publishAsync(`commands/${pseudonym}/power`, '{"value":"off"}', { qos: 1 });
  expect(ingress.commands).toEqual(["unknown-device"]);
  await ingress.stop();
});

describe("in the credentials", () => {
  const { store } = consentStore();
  const good = async (token: string) => (await store().credentials.verify(LAMP, token)) !== undefined;

  test("a token ends at the first step of a move, so that a move that is interrupted leaves no one with it", async () => {
    const { ledger, credentials, redis, keyspace } = store();
    const token = await tokenOf(credentials, LAMP);
    await ledger.bind(ANNA, LAMP);
    expect(await good(token)).toBe(true);
    // What belongs to the other subject can't be changed: the move stops after the device was claimed.
    await redis.set(keyspace.ledger(BORIS), "of another type");
    await expect(ledger.bind(BORIS, LAMP)).rejects.toThrow();
    await redis.del(keyspace.ledger(BORIS));
    await ledger.bind(BORIS, LAMP);
    expect(await good(token)).toBe(false);
  });

  test("a token that ended and was not recorded outside is noted when the move is made again", async () => {
    const { ledger, credentials, redis, keyspace } = store();
    await tokenOf(credentials, LAMP);
    await ledger.bind(ANNA, LAMP);
    await ledger.unbind(ANNA, LAMP);
    const ended: unknown[] = [];
    let fails = true;
    const tokenEnded = async (device: unknown) => {
      if (fails) throw new Error("disk full");
      ended.push(device);
    };
    const journal = { ...NO_JOURNAL, tokenEnded };
    const options = { createSubjectKey: () => "key", controller: "vendor", expiryDays: 1, now: Date.now, journal };
    const noting = new Ledger(redis, keyspace, options);
    await expect(noting.bind(BORIS, LAMP)).rejects.toThrow("disk full");
    fails = false;
    await noting.bind(BORIS, LAMP);
    await noting.bind(BORIS, LAMP);
    expect(ended).toEqual([LAMP]);
  });

  test("a token issued after the device came to its new owner is theirs, and one issued while it was no one's goes to the next", async () => {
    const { ledger, credentials } = store();
    await tokenOf(credentials, LAMP);
    await ledger.bind(ANNA, LAMP);
    await ledger.unbind(ANNA, LAMP);
    const fresh = await tokenOf(credentials, LAMP);
    await ledger.bind(BORIS, LAMP);
    expect(await good(fresh)).toBe(true);
    await ledger.bind(ANNA, LAMP);
    expect(await good(fresh)).toBe(false);
  });
});
