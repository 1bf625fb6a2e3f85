/** docs/operations/runbooks/certificate-expired.md, rehearsed: devices refuse the old certificate; the renewed one is in force without a restart, and no connection ends. */
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { disconnectMqtt } from "../../../tools/wire/connection.ts";
import { type Rehearsal, rehearse } from "../../fixtures/runbook.ts";
import { type SelfSigned, selfSigned } from "../../fixtures/self-signed.ts";
import { type Device, startSystem, type TestSystem } from "../../fixtures/system.ts";

let past: SelfSigned;
let renewed: SelfSigned;
let dir: string;
let system: TestSystem;
let page: Rehearsal;

beforeAll(async () => {
  [past, renewed] = [await selfSigned(-30, -1), await selfSigned(-1, 90)];
  dir = await mkdtemp(join(tmpdir(), "expired-"));
  const [certFile, keyFile] = [join(dir, "fullchain.pem"), join(dir, "private.pem")];
  const place = async (one: SelfSigned) => {
    await copyFile(one.certFile, certFile);
    await copyFile(one.keyFile, keyFile);
  };
  await place(past);
  await writeFile(join(dir, "ca.pem"), [past.ca, renewed.ca].join("\n"));
  system = await startSystem({ mqtt: { tls: { enabled: true, port: 0, certFile, keyFile } } });
  page = await rehearse("certificate-expired", {
    system,
    here: {
      "/etc/consentry/tls": dir,
      "gateway.example:8883": `127.0.0.1:${system.stack.gateway.port("mqtt-tls")}`,
    },
    orders: { [`renew-certificate ${dir}`]: () => place(renewed) },
  });
});
afterAll(async () => {
  await page?.close();
  await system?.stop();
  for (const one of [past, renewed]) await one?.remove();
  await rm(dir, { recursive: true, force: true });
});

async function overTls(device: Device, strict = true): Promise<MqttClient> {
  const url = `mqtts://127.0.0.1:${system.stack.gateway.port("mqtt-tls")}`;
  return system.connect(device, { ca: [past.ca, renewed.ca], rejectUnauthorized: strict }, url);
}

test("new connections are refused before, and taken after", { timeout: 240_000 }, async () => {
  const [device, there] = await system.devices(2);
  if (device === undefined || there === undefined) throw new Error("devices");
  await expect(overTls(device)).rejects.toThrow(/expired/);
  const stays = await overTls(there, false);
  const noticed = await page.follow("How you notice");
  expect(noticed).toContain("the certificate is good no longer");
  const end = async () => system.metric("certificate_expires_timestamp_seconds");
  expect(await end()).toBeLessThan(Date.now() / 1_000);
  await page.follow("What to do");
  await page.follow("How you see that it is over");
  expect(await end()).toBeGreaterThan(Date.now() / 1_000 + 14 * 86_400);
  await disconnectMqtt(await overTls(device));
  await stays.publishAsync(`devices/${there.id}/status`, '{"temperature":20}', { qos: 1 });
});
