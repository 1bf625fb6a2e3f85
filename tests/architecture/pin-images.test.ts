/** pin-images.mjs writes the digests that the registry gives, in both files or in none. */
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

vi.setConfig({ testTimeout: 240_000 });

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FILES = ["docker-compose.yml", "Dockerfile"];
const NONE = /@sha256:[0-9a-f]{64}/g;

let dir: string;
let registry: Server;
/** What the registry gives for an image; 404 for none. */
let digests: Record<string, string | undefined>;
let asked: string[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "pin-images-"));
  for (const file of FILES) cpSync(join(ROOT, file), join(dir, file));
  digests = { redis: "a", influxdb: "b", node: "c", "prom/prometheus": "e", "grafana/grafana": "f" };
  asked = [];
  registry = createServer((request, response) => {
    const { port } = registry.address() as AddressInfo;
    if (request.url?.startsWith("/token?")) return response.end('{"token":"reads"}');
    const [, image = "", tag = ""] =
      /^\/v2\/(?:library\/)?(\w+(?:\/\w+)?)\/manifests\/(.+)$/.exec(request.url ?? "") ?? [];
    if (request.headers.authorization !== "Bearer reads") {
      const challenge = `Bearer realm="http://127.0.0.1:${port}/token",service="r",scope="repository:${image}:pull"`;
      return response.writeHead(401, { "www-authenticate": challenge }).end();
    }
    asked.push(`${image}:${tag}`);
    const digest = digests[image];
    if (digest === undefined) return response.writeHead(404).end();
    return response.writeHead(200, { "docker-content-digest": `sha256:${digest.repeat(64)}` }).end();
  }).listen(0, "127.0.0.1");
  await once(registry, "listening");
});
afterEach(() => {
  registry.close();
  rmSync(dir, { recursive: true, force: true });
});

function pin(...args: string[]) {
  const { port } = registry.address() as AddressInfo;
  const command = [join(ROOT, "scripts/pin-images.mjs"), dir, "--registry", `http://127.0.0.1:${port}`, ...args];
  return execa(process.execPath, command, { reject: false });
}

const files = () => FILES.map((file) => readFileSync(join(dir, file), "utf8"));

it("pins every image, leaves what is pinned, and renews it when told to", async () => {
  const before = files().map((text) => text.replace(NONE, ""));
  expect((await pin("--renew")).exitCode).toBe(0);
  const [compose = "", docker = ""] = files();
  expect(compose).toMatch(/image: redis:[\w.-]+@sha256:a{64}\n/);
  expect(compose).toMatch(/image: influxdb:[\w.-]+@sha256:b{64}\n/);
  expect(compose).toMatch(/image: prom\/prometheus:v[\w.-]+@sha256:e{64}\n/);
  expect(compose).toMatch(/image: grafana\/grafana:[\w.-]+@sha256:f{64}\n/);
  expect(compose).toContain("image: consentry\n");
  expect(docker.match(/^FROM node:[\w.-]+@sha256:c{64}/gm)).toHaveLength(2);
  expect(files().map((text) => text.replace(NONE, ""))).toEqual(before);
  digests = Object.fromEntries(Object.keys(digests).map((image) => [image, "d"]));
  asked = [];
  expect((await pin()).exitCode).toBe(0);
  expect(asked).toEqual([]);
  expect(files()).toEqual([compose, docker]);
  expect((await pin("--renew")).exitCode).toBe(0);
  expect(
    files()
      .join("")
      .match(/@sha256:d{64}/g),
  ).toHaveLength(6);
});

it("changes nothing when the registry does not know one of them, or gives no digest", async () => {
  const [before, all] = [files(), digests];
  for (const wrong of [{ node: undefined }, { influxdb: "xyz" }]) {
    digests = { ...all, ...wrong };
    const { exitCode, stderr } = await pin("--renew");
    expect([exitCode, files()]).toEqual([1, before]);
    expect(stderr).toContain("nothing was changed");
  }
});
