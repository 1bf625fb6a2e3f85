/** docs/operations/runbooks/token-leaked.md, rehearsed: who has a leaked token can do nothing with it any more, and the right ones go on. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectMqtt } from "../../../tools/wire/connection.ts";
import { runCommand } from "../../fixtures/command.ts";
import { type Rehearsal, rehearse } from "../../fixtures/runbook.ts";
import { startSystem, type TestSystem } from "../../fixtures/system.ts";

let system: TestSystem;
let page: Rehearsal;
let dir: string;
beforeAll(async () => {
  system = await startSystem();
  dir = await mkdtemp(join(tmpdir(), "leaked-"));
  page = await rehearse("token-leaked", {
    system,
    here: { "app-backend-2.token": join(dir, "new.token"), "bulb-3.json": join(dir, "device.json") },
  });
});
afterAll(async () => {
  await page?.close();
  await system?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function asks(token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${system.stack.httpUrl}/v1/policies`, { headers })).status;
}

test("each kind of token ends when its line has answered", { timeout: 240_000 }, async () => {
  const { stack } = system;
  const create = ["create", "app-backend", "--scope", "consent", "--out", join(dir, "old.token")];
  await runCommand("tokens", [...create, "--config", stack.config.file]);
  const leaked = (await readFile(join(dir, "old.token"), "utf8")).trim();
  expect(await asks(leaked)).toBe(200);
  const device = await system.device({ id: "bulb-3" });
  const intruder = await system.connect(device);
  intruder.on("error", () => {});
  const service = { purposes: ["weather"], region: "IN", relation: "third-party", recipient: "weather services" };
  await stack.api.call("PUT", "/v1/services/{name}", ["city-weather"], service);
  const given = (await stack.api.call("POST", "/v1/services/{name}/tokens", ["city-weather"])) as { token: string };
  const login = { username: "city-weather", password: given.token, clientId: "intruder" };
  const listening = await connectMqtt(stack.mqttUrl, login);
  listening.on("error", () => {});
  const ended = [intruder, listening].map(
    (client) => new Promise<void>((resolve) => client.once("close", () => resolve())),
  );

  // What is done with it is seen.
  const done = await fetch(`${stack.httpUrl}/v1/subjects/${device.subject}/withdrawals`, {
    method: "POST",
    headers: { authorization: `Bearer ${leaked}`, "content-type": "application/json" },
    body: JSON.stringify({ purposes: ["scene"] }),
  });
  expect(done.status).toBe(200);
  expect(await page.follow("How you notice")).toMatch(/consent-withdrawn.*"token":"app-backend"/);
  await page.follow("What to do");
  await Promise.all(ended);
  expect(await asks(leaked)).toBe(401);
  await expect(system.connect(device)).rejects.toThrow();
  await expect(connectMqtt(stack.mqttUrl, login)).rejects.toThrow();
  expect(await asks((await readFile(join(dir, "new.token"), "utf8")).trim())).toBe(200);
  const { token } = JSON.parse(await readFile(join(dir, "device.json"), "utf8"));
  await system.say({ ...device, token }, { status: { temperature: 20 } });
  expect(await page.follow("How you see that it is over")).toContain("http-token-rotated");
});
