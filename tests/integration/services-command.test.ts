/** The operator's command, as a process of its own beside a gateway that runs: the same rules, in force at once, and audited. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectMqtt } from "../../tools/wire/connection.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({ properties: [] });
});
afterAll(() => system?.stop());

const services = (...args: string[]) => runCommand("services", [...args, "--config", system.stack.config.file]);
const LIGHTS = ["--region", "IN", "--relation", "processor", "--recipient", "scene services", "--contract", "dpa-1"];

async function mayLogIn(name: string, token: string): Promise<boolean> {
  try {
    const options = { clientId: "try", username: name, password: token };
    (await connectMqtt(system.stack.mqttUrl, options)).end(true);
    return true;
  } catch {
    return false;
  }
}

test("registers a service, gives it a token, lists it, revokes and removes; the gateway follows at once", async () => {
  expect(await services("put", "lights", "--purpose", "scene", "--category", "status", ...LIGHTS)).toMatchObject({
    exitCode: 0,
    stdout: "",
  });
  const issued = await services("token", "lights");
  const [number = "", token = ""] = issued.stdout.split(" ");
  expect([issued.exitCode, number, token]).toEqual([0, "1", expect.stringMatching(/^[A-Za-z0-9_-]{43}$/)]);
  await until("the gateway knows it", () => mayLogIn("lights", token));
  const listed = await services("list");
  expect(listed.stdout).toContain(
    "lights               registry  scene (status); scene services, processor, IN, tokens 1",
  );
  expect(listed.stdout).toMatch(/^scene-service +file/m);
  expect(listed.stdout).not.toContain(token);
  const { name, origin } = JSON.parse((await services("list", "--json")).stdout.split("\n").at(-1) ?? "");
  expect([name, origin]).toEqual(["lights", "registry"]);
  expect((await services("revoke", "lights", "1")).exitCode).toBe(0);
  await until("the token is none any more", async () => !(await mayLogIn("lights", token)));
  expect((await services("remove", "lights")).exitCode).toBe(0);
  expect((await services("list")).stdout).not.toContain("lights");
  const { records } = (await system.stack.api.call("GET", "/v1/audit", [])) as {
    records: { act: string; by: string; outcome?: string; detail?: object }[];
  };
  expect(
    records.filter(({ act }) => act.startsWith("service-")).map(({ act, by, outcome }) => `${act} ${by} ${outcome}`),
  ).toEqual(
    ["service-registered", "service-token-issued", "service-token-revoked", "service-removed"].flatMap((act) => [
      `${act} operator asked`,
      `${act} operator done`,
    ]),
  );
});

test.each([
  ["a service of the file", ["remove", "scene-service"], "services: service-in-file"],
  ["one that is not there", ["token", "nobody"], "services: unknown-service"],
  [
    "what the policy does not cover",
    ["put", "far", "--purpose", "scene", ...LIGHTS.with(1, "DE")],
    "services: service-not-covered\n  region.scene: region-not-in-policy",
  ],
])("refuses %s and says so in the audit log", async (_what, args, said) => {
  expect(await services(...args)).toMatchObject({ exitCode: 1, stdout: "", stderr: said });
  const { records } = (await system.stack.api.call("GET", "/v1/audit", [])) as {
    records: { outcome?: string; detail?: { code?: string } }[];
  };
  expect(records.at(-1)).toMatchObject({ outcome: "refused", detail: { code: said.split("\n")[0]?.slice(10) } });
});

test.each([
  [["put", "Lights", "--purpose", "scene", ...LIGHTS]],
  [["put", "lights", "--purpose", "analytics", ...LIGHTS]],
  [["put", "lights", "--purpose", "scene"]],
  [["remove", "#"]],
  [["remove", "a/b"]],
  [["revoke", "lights", "x"]],
  [["token"]],
  [["frobnicate", "lights"]],
])("%j is no use of it", async (args) => {
  const { exitCode, stderr } = await services(...args);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining("Usage: npm run services")]);
});
