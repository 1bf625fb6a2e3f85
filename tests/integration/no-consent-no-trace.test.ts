/**
 * Without a consent that holds, a message leaves no trace: it is acknowledged and counted by reason, and
 * Redis, InfluxDB and every subscriber are exactly as they were before.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Refusal } from "../../src/model/outcome.ts";
import { SERVICE_PURPOSES } from "../../src/model/purposes.ts";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { consentTo, type Device, EVERYTHING, name, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
let listeners: Listener[];

beforeAll(async () => {
  system = await startSystem();
  listeners = await Promise.all(SERVICE_PURPOSES.map((purpose) => system.listen(purpose)));
  // Retention runs once behind the start, under a lease of its own.
  await until("the start has ended", async () => (await system.redis.keys("consentry:leases*")).length === 0);
  await until(
    "it is counted who is suspended",
    async () => (await system.redis.exists("consentry:devices-suspended")) === 1,
  );
});
afterAll(() => system?.stop());

const PARTS: Readonly<Record<string, unknown>> = {
  telemetry: {
    model: "HB-200",
    ip: "203.0.113.7",
    location: { lat: 12.9716, lon: 77.5946 },
    status: { power_on: true },
  },
  model: { model: "HB-200" },
  ip: { ip: "203.0.113.7" },
  location: { lat: 12.9716, lon: 77.5946 },
  status: { power_on: true },
};

/** Which gateways are alive, whether Redis writes, and what is scheduled: changes by itself, without any message. */
const HOUSEKEEPING =
  /:stalled-check$|^\{consentry:(gateways|upkeep)\}|\}:probe:|^\{consentry:(places|network|scenes)\}:(turn|step)$/;

/** Every other key of Redis with its content. */
async function redisContent(): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for (const key of await system.redis.keys("*")) {
    if (HOUSEKEEPING.test(key)) continue;
    const dump = await system.redis.dumpBuffer(key);
    content.set(
      key,
      createHash("sha256")
        .update(dump ?? "")
        .digest("hex"),
    );
  }
  return content;
}

/** Publishes one message of each part with each QoS and expects every one refused for `reason`, without a trace. */
async function leavesNoTrace(device: Device, reason: Refusal, parts = Object.keys(PARTS)): Promise<void> {
  const before = { redis: await redisContent(), books: await system.books() };
  const client = await system.connect(device);
  for (const qos of [1, 2, 0] as const) {
    for (const part of parts) {
      const payload = JSON.stringify(PARTS[part]);
      await client.publishAsync(`devices/${device.id}/${part}`, payload, { qos, retain: true });
    }
  }
  const sent = 3 * parts.length;
  await until("every message has come", async () => (await system.books()).received >= before.books.received + sent);
  await client.endAsync();
  const books = await system.settled();
  expect((books.refused[reason] ?? 0) - (before.books.refused[reason] ?? 0)).toBe(sent);
  expect(books.stored + books.forwardedOnly + books.admitted).toBe(0);
  expect(await redisContent()).toEqual(before.redis);
  for (const measurement of ["device_status", "device_location", "cell_activity"] as const) {
    expect(await system.rows(measurement)).toEqual([]);
  }
  for (const listener of listeners) {
    await listener.caughtUp();
    expect(listener.packets).toEqual([]);
  }
}

test("an unknown device is not even let in", async () => {
  const before = await redisContent();
  const peer = RawPeer.to(system.stack.mqttUrl);
  expect(await peer.login({ id: name("device"), token: "A".repeat(43) })).toBe(4);
  expect(await redisContent()).toEqual(before);
});

test("a device that is bound to no one", async () => {
  await leavesNoTrace(await system.device({ bound: false }), "unknown-device");
});

test("a bound device whose person has said nothing", async () => {
  await leavesNoTrace(await system.device({ consent: null }), "no-consent");
});

test("a person who refused", async () => {
  const { policyVersion, method, by, language, jurisdiction } = consentTo({});
  const refused = { state: "refused", policyVersion, method, by, language, jurisdiction };
  await leavesNoTrace(await system.device({ consent: refused }), "no-consent");
});

test("a person who took the consent back", async () => {
  const device = await system.device();
  await system.stack.api.withdraw(device.subject);
  await leavesNoTrace(device, "consent-withdrawn");
});

test("a consent that has run out", async () => {
  const device = await system.device({ consent: null });
  // Only one request is between: a consent that has run out before it is given is refused.
  const expiresAt = Date.now() + 5_000;
  await system.stack.api.consent(device.subject, consentTo(EVERYTHING, { expiresAt }));
  await until("the consent has run out", () => Date.now() > expiresAt);
  await leavesNoTrace(device, "consent-expired");
});

test("a minor without a verified guardian", async () => {
  const unverified = {
    minor: true,
    guardian: { verified: false, method: "none", evidenceRef: "case:1" },
  };
  await leavesNoTrace(await system.device({ consent: consentTo(EVERYTHING, { minor: true }) }), "guardian-missing");
  await leavesNoTrace(await system.device({ consent: consentTo(EVERYTHING, unverified) }), "guardian-missing");
});

test("messages that carry nothing a consented purpose may use", async () => {
  const scenesOnly = await system.device({ consent: consentTo({ scene: ["status"] }) });
  await leavesNoTrace(scenesOnly, "purpose-denied", ["model", "ip", "location"]);
  const addressesOnly = await system.device({ consent: consentTo({ network: ["ip"] }) });
  await leavesNoTrace(addressesOnly, "purpose-denied", ["model", "location", "status"]);
});

interface Policies {
  readonly devicesSuspended: { readonly analytics: number };
}

test("a consent to a policy that has been superseded", async () => {
  const device = await system.device();
  const shipped = JSON.parse(await readFile("config/policies/1.json", "utf8")) as Record<string, unknown>;
  const change = { kind: "material", summary: "Everything is asked again." };
  await system.stack.api.call("POST", "/v1/policies", [], { ...shipped, version: 2, change });
  // Whom the new policy leaves out is counted behind its answer.
  await until("they are counted", async () => {
    const { devicesSuspended } = (await system.stack.api.call("GET", "/v1/policies", [])) as Policies;
    return devicesSuspended.analytics > 0;
  });
  await leavesNoTrace(device, "policy-superseded");
});
