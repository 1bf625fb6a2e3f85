/**
 * Of two values for one key some readers take the first and some the last. A body or a message that names a key
 * twice, at whatever depth and in whatever spelling, is refused: no consent hangs on which reader it met.
 */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disconnectMqtt } from "../../tools/wire/connection.ts";
import { consentTo, EVERYTHING, name, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

async function post(path: string, body: string, method = "POST"): Promise<{ status: number; code?: string }> {
  const response = await fetch(`${system.stack.httpUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${system.stack.config.apiToken}`, "content-type": "application/json" },
    body,
  });
  const answer = (await response.json()) as { code?: string };
  return { status: response.status, ...(answer.code !== undefined && { code: answer.code }) };
}

describe("over HTTP", () => {
  const CONSENT = JSON.stringify(consentTo(EVERYTHING));
  const with1 = (more: string) => `{${more},${CONSENT.slice(1)}`;

  test.each([
    ["refused and given", `${with1('"state":"refused"').slice(0, -1)},"state":"given"}`],
    ["given and refused", `${with1('"state":"given"').slice(0, -1)},"state":"refused"}`],
    ["once in an escaped spelling", `${with1('"state":"given"').slice(0, -1)},"\\u0073tate":"given"}`],
    ["with equal values", with1('"policyVersion":1')],
    ["a purpose inside", CONSENT.replace('"purposes":{', '"purposes":{"analytics":["model"],')],
    ["a prototype", with1('"__proto__":{},"__proto__":{}')],
    ["behind a byte order mark", `\uFEFF${with1('"policyVersion":1')}`],
  ])("consent: %s", async (_what, body) => {
    const subject = name("subject");
    await system.stack.api.bind(subject, name("device"));
    const path = `/v1/subjects/${subject}/consents`;
    expect(await post(path, body)).toEqual({ status: 400, code: "invalid-json" });
    expect((await post(path, CONSENT)).status).toBe(201);
  });

  test("withdrawals, policies and the account of a device", async () => {
    const subject = name("subject");
    const device = name("device");
    await system.stack.api.bind(subject, device);
    await system.stack.api.consent(subject, consentTo(EVERYTHING));
    const twice = '{"purposes":["scene"],"purposes":["weather"]}';
    expect((await post(`/v1/subjects/${subject}/withdrawals`, twice)).code).toBe("invalid-json");
    const policy = await readFile("config/policies/1.json", "utf8");
    const next = policy.replace('"version": 1', '"version": 2');
    expect(next).not.toBe(policy);
    expect((await post("/v1/policies", next.replace("{", '{"version": 3,'))).code).toBe("invalid-json");
    expect((await post("/v1/policies", next.replace("{", '{"\\u0076ersion": 2,'))).code).toBe("invalid-json");
  });

  test("the same key in different objects, and colons in texts, are no fault", async () => {
    const subject = name("subject");
    await system.stack.api.bind(subject, name("device"));
    const body = JSON.stringify(consentTo(EVERYTHING, { evidenceRef: "urn:form:17" }));
    expect((await post(`/v1/subjects/${subject}/consents`, body)).status).toBe(201);
  });
});

test("over MQTT, on every topic", async () => {
  const device = await system.device();
  const refusals = () => system.metric("messages_refused_total", '{reason="invalid-payload"}');
  const messages: readonly [part: string, payload: string][] = [
    ["telemetry", '{"status":{"power_on":true},"status":{"power_on":false}}'],
    ["telemetry", '{"status":{"power_on":true,"power_on":false}}'],
    ["telemetry", '{"status":{"power_on":true,"p\\u006fwer_on":false}}'],
    ["telemetry", '{"location":{"lat":1,"lon":2,"lat":3}}'],
    ["telemetry", '{"st\\u0061tus":{"power_on":true},"status":{"power_on":true}}'],
    ["telemetry", '{"status":{"power_on":true},"id":"a:b","id":"a:b"}'],
    ["status", '{"power_on":true,"power_on":true}'],
    ["status", '{"power_on":true,"ts":1,"ts":2}'],
    ["location", '{"lat":1,"lon":2,"lon":2}'],
    ["ip", '{"ip":"2001:db8::1","ip":"2001:db8::2"}'],
    ["model", '{"model":"HB-200","model":"HB-210"}'],
  ];
  const before = await refusals();
  const client = await system.connect(device);
  for (const [part, payload] of messages)
    await client.publishAsync(`devices/${device.id}/${part}`, payload, { qos: 1 });
  await system.settled();
  expect((await refusals()) - before).toBe(messages.length);
  expect(await system.rows("device_status")).toEqual([]);
  await client.publishAsync(
    `devices/${device.id}/telemetry`,
    '{"ip":"2001:db8::1","status":{"note":"a:b:\\":c\\\\","power_on":true},"id":"x:y"}',
    { qos: 1 },
  );
  await disconnectMqtt(client);
  await system.settled();
  expect(await system.rows("device_status")).toHaveLength(1);
});
