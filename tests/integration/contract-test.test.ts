/** A service's own CI fails when it asks for what its purpose does not give, by the document that a running gateway serves. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

const CHECK = fileURLToPath(new URL("../../examples/contract-test/check.mjs", import.meta.url));
const WANTS = fileURLToPath(new URL("../../examples/contract-test/wants.json", import.meta.url));

let system: TestSystem;
let dir: string;
let document: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-contract-"));
  system = await startSystem({
    properties: [{ name: "soil_ph", kind: "number", range: "0..14", step: "0.1", label: "acidity of the soil" }],
  });
  document = `${system.stack.httpUrl}/docs/asyncapi.json`;
});
afterAll(async () => {
  await system?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function checked(wants: object, source = document): Promise<{ exitCode: number | undefined; said: string }> {
  const file = join(dir, "wants.json");
  await writeFile(file, JSON.stringify(wants));
  const { exitCode, all } = await execa("node", [CHECK, file, source], { reject: false, all: true });
  return { exitCode, said: all };
}

test("the example holds, by the document of the gateway and by that of the repository", async () => {
  const wants = JSON.parse(await readFile(WANTS, "utf8"));
  expect(await checked(wants)).toEqual({ exitCode: 0, said: "contract holds: 6 fields of scene" });
  expect(await checked(wants, fileURLToPath(new URL("../../docs/asyncapi.json", import.meta.url)))).toMatchObject({
    exitCode: 0,
  });
});

test.each([
  ["scene", { ip: "string" }, "scene does not give ip"],
  ["scene", { "status.hasOwnProperty": "boolean" }, "scene does not give status.hasOwnProperty"],
  ["scene", { cell: "string" }, "scene does not give cell"],
  ["scene", { model: "string" }, "model may be missing: a person need not consent to it"],
  ["scene", { "status.temperature": "string" }, "status.temperature is number, not string"],
  ["weather", { device: "string" }, "weather does not give device"],
  ["weather", { "status.motion": "boolean" }, "weather does not give status.motion"],
  ["network", { "status.temperature": "number" }, "network does not give status.temperature"],
  ["advertising", { device: "string" }, "there is no purpose advertising"],
])("a service for %s that reads %o is told", async (purpose, reads, said) => {
  expect(await checked({ purpose, reads })).toEqual({ exitCode: 1, said: `contract: ${said}` });
});

test("a property of the operator is in the document of that gateway alone", async () => {
  const wants = { purpose: "scene", reads: { "status.soil_ph": "number" } };
  expect(await checked(wants)).toMatchObject({ exitCode: 0 });
  expect(await checked(wants, fileURLToPath(new URL("../../docs/asyncapi.json", import.meta.url)))).toMatchObject({
    exitCode: 1,
  });
});

test("bad input is neither", async () => {
  expect(await checked({ purpose: 5 })).toMatchObject({ exitCode: 2 });
  expect(await checked({ purpose: "scene", reads: {} }, join(dir, "nowhere.json"))).toMatchObject({ exitCode: 2 });
});
