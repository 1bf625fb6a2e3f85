/**
 * Which devices are of one home is told to scene services only where the gateway is set to it, and of people alone who consented to
 * a policy that says so; the name of a home is forgotten like that of a device.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { consentTo, type Device, EVERYTHING, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
let scene: Listener;
const toForget: string[] = [];

beforeAll(async () => {
  system = await startSystem({ deidentify: { homes: true } }, { shortSteps: true });
  scene = await system.listen("scene");
  scene.client.on("message", (topic, payload) => {
    if (topic === "privacy/erased/scene") toForget.push(...JSON.parse(payload.toString()).pseudonyms);
  });
  await scene.client.subscribeAsync("privacy/erased/scene", { qos: 1 });
});
afterAll(async () => {
  await scene?.stop();
  await system?.stop();
});

/** What a scene service hears when the device says something; `undefined` when that is nothing. */
async function heard(device: Device): Promise<Record<string, unknown> | undefined> {
  await scene.caughtUp();
  const before = scene.packets.length;
  await system.say(device, { status: { power_on: true } });
  await system.settled();
  await scene.caughtUp();
  const packet = scene.packets.slice(before).find(({ topic }) => topic.startsWith("processed/scene/"));
  return packet && (JSON.parse(packet.payload.toString()) as Record<string, unknown>);
}

async function publish(version: number, terms: object, kind: string): Promise<void> {
  const document = (await system.stack.api.call("GET", "/v1/policies/{version}", ["1"])) as {
    purposes: { scene: object };
  };
  const purposes = { ...document.purposes, scene: { ...document.purposes.scene, ...terms } };
  const change = {
    kind,
    summary: "Which devices are of one home.",
    ...(kind === "material" && { affects: ["scene"] }),
  };
  await system.stack.api.call("POST", "/v1/policies", [], { ...document, version, change, purposes });
}

test("a home has a name for who agreed to it, and no other", async () => {
  const lamp = await system.device();
  const fan = await system.device({ subject: lamp.subject });
  const far = await system.device();
  // Set to it, but no policy says so.
  const first = await heard(lamp);
  expect(first).toMatchObject({ device: expect.any(String), status: { power_on: true } });
  expect(first).not.toHaveProperty("home");

  const homes = { homes: true, description: "Device states under a pseudonym, and which devices are of one home." };
  await expect(publish(2, homes, "minor")).rejects.toThrow();
  await publish(2, homes, "material");
  // Who has not agreed is told to scene services no longer, until they have.
  expect(await heard(lamp)).toBeUndefined();
  for (const { subject } of [lamp, far])
    await system.stack.api.consent(subject, consentTo(EVERYTHING, { policyVersion: 2 }));
  const told = [await heard(lamp), await heard(fan), await heard(far)];
  const [home, same, other] = told.map((record) => record?.home);
  expect(home).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect([same, other === home, typeof other]).toEqual([home, false, "string"]);
  expect(told.map((record) => record?.device)).not.toContain(home);
  expect(told[0]?.device).toBe(first?.device);

  // Forgotten with the names of the devices, of those alone who are erased.
  await system.erase(lamp.subject);
  await until("the digest is told", () => toForget.length > 0);
  expect(toForget).toEqual(expect.arrayContaining([home, told[0]?.device, told[1]?.device]));
  for (const name of [other, told[2]?.device]) expect(toForget).not.toContain(name);

  await publish(3, {}, "minor");
  expect(await heard(far)).not.toHaveProperty("home");
});
