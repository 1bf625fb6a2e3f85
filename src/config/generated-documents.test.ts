import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { generatedDocuments } from "../../scripts/generate-docs.ts";
import { loadConfig } from "./load.ts";

const TOKEN = "correct-horse-battery-staple-0123456789";
const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "consentry-documents-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("documents made from code", () => {
  it.each([...generatedDocuments()])("%s is up to date", (path, content) => {
    expect(readFileSync(root(path), "utf8"), "run `npm run config:docs`").toBe(content);
  });

  it("defaults.yaml holds exactly the defaults", () => {
    const env = { CONSENTRY_HTTP_TOKEN: TOKEN };
    expect(loadConfig({ file: root("config/defaults.yaml"), env })).toEqual(loadConfig({ env }));
  });
});

describe("the shipped examples are valid", () => {
  /** The example with its paths moved below `dir`, and every secret it names in place there. */
  function prepared(path: string, from: string): string {
    const text = readFileSync(root(path), "utf8").replaceAll(from, dir);
    for (const [index, file] of secretFilesIn(parse(text)).entries()) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, file.endsWith(".url") ? "rediss://:pass@redis.example:6380" : `${TOKEN}-${index}`);
      chmodSync(file, 0o400);
    }
    const copy = join(dir, "config.yaml");
    writeFileSync(copy, text);
    return copy;
  }

  it("demo.yaml", () => {
    const config = loadConfig({
      file: prepared("config/demo.yaml", "./data/tokens"),
      env: { CONSENTRY_HTTP_TOKEN: TOKEN },
    });
    expect(config.keys.create).toBe(true);
    // `npm run demo` empties that folder.
    const places = [config.keys.dir, ...secretFilesIn(parse(readFileSync(root("config/demo.yaml"), "utf8")))];
    expect(places.filter((place) => place.startsWith("./data/demo"))).toEqual([]);
    expect(config.services.map(({ name }) => name)).toEqual(["weather", "scene", "network"]);
  });

  it("production.example.yaml", () => {
    const config = loadConfig({ file: prepared("config/production.example.yaml", "/etc/consentry"), env: {} });
    expect(config.keys.create).toBe(false);
    expect(config.mqtt.tcp.enabled).toBe(false);
    expect(config.redis.url).toContain("rediss://");
  });
});

function secretFilesIn(node: unknown): string[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) =>
    /^(token|url|password)File$/.test(name) ? [String(value)] : secretFilesIn(value),
  );
}
