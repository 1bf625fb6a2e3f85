/** `docs/architecture.md` lists the parts in the order in which the gateway really starts them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { createGateway } from "../../src/gateway.ts";
import { readKeys } from "../../src/platform/keys/files.ts";
import type { Part } from "../../src/platform/lifecycle.ts";

const started = vi.hoisted((): string[] => []);
vi.mock(import("../../src/platform/lifecycle.ts"), async (original) => ({
  ...(await original()),
  // Constructors do nothing, so a gateway that is not started touches nothing.
  startAll: async (parts: readonly Part[]) => void started.push(...parts.map(({ name }) => name)),
}));

const dir = mkdtempSync(join(tmpdir(), "start-order-"));
afterAll(() => rmSync(dir, { recursive: true }));

it("holds every part, first to last", async () => {
  const config = loadConfig({ env: { CONSENTRY_HTTP_TOKEN: "token-of-the-account-service-in-this-test" } });
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const fatal = (error: Error): never => {
    throw error;
  };
  await createGateway(config, readKeys(dir, { create: true }), log, fatal).start(new AbortController().signal);
  const page = readFileSync(new URL("../../docs/architecture.md", import.meta.url), "utf8");
  const [, list = ""] = /^> (metrics → [\s\S]*?)\n\n/m.exec(page) ?? [];
  const listed = list.replaceAll("\n> ", " ").split(" → ");
  expect(started.length).toBeGreaterThan(20);
  expect(listed).toEqual(started);
});
