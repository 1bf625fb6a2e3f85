/**
 * Promise: however many wrong tokens, links, sessions and passwords come from an address, the right ones are let in
 * from there at once; and the wrong ones are told when they are too many.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { exchange, linkFor, Session, tokenIn } from "../fixtures/centre-client.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({
    http: { failedTokensPerMinute: 3 },
    mqtt: { failedLoginsPerMinute: 3, failedLoginsPerAddressPerMinute: 6 },
  });
});
afterAll(() => system?.stop());

async function bearer(token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${system.stack.httpUrl}/v1/policies`, { headers });
  await response.body?.cancel();
  return response.status;
}

test("bearer tokens", async () => {
  const wrong = await Promise.all(Array.from({ length: 12 }, (_, index) => bearer(`wrong-${index}`)));
  expect(wrong.filter((status) => status === 401).length).toBeLessThan(8);
  expect(new Set(wrong)).toEqual(new Set([401, 429]));
  expect(await bearer(system.stack.config.apiToken)).toBe(200);
  // Also among them.
  const mixed = Array.from({ length: 20 }, (_, index) => bearer(index % 2 ? "wrong" : system.stack.config.apiToken));
  expect((await Promise.all(mixed)).filter((_, index) => index % 2 === 0)).toEqual(Array(10).fill(200));
});

async function login(id: string, token: string): Promise<number | "closed"> {
  const peer = RawPeer.to(system.stack.mqttUrl);
  const code = await peer.login({ id, token });
  peer.end();
  return code;
}

test("passwords of devices, under their own name and under those of others, and of services", async () => {
  const [anna, boris] = await system.devices(2);
  const codes: (number | "closed")[] = [];
  for (let times = 0; times < 8; times += 1) codes.push(await login(anna?.id ?? "", "w".repeat(43)));
  expect(new Set(codes)).toEqual(new Set([4, 3]));
  for (let times = 0; times < 8; times += 1) await login(`nobody-${times}`, "w".repeat(43));
  const { name, token: password } = system.stack.serviceCredential("scene");
  for (let times = 0; times < 8; times += 1) await login(name, "wrong");

  for (const { id, token } of [anna, boris].flatMap((one) => one ?? [])) expect(await login(id, token)).toBe(0);
  expect(await login(name, password)).toBe(0);
  expect(await login(anna?.id ?? "", "w".repeat(43))).toBe(3);
});

test("links and sessions of the privacy centre", async () => {
  const { subject } = await system.device();
  const link = tokenIn(await linkFor(system, subject));
  for (let times = 0; times < 30; times += 1) expect((await exchange(system, `${link}${times}`)).status).toBe(401);
  const forged = new Session(system.stack.httpUrl, "consentry-centre=1.forged");
  for (let times = 0; times < 30; times += 1) expect((await forged.get("overview")).status).toBe(401);
  expect((await exchange(system, link)).status).toBe(201);
  const session = await Session.of(system, subject);
  expect((await session.get("overview")).status).toBe(200);
});
