import { existsSync, rmSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ensureBinaries, findBrowser, findPythonWithPaho, offerTestTools, onPath } from "./service-binaries.ts";

let bin: string;
const silent = { say: () => {} };

beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), "binaries-"));
  vi.stubEnv("PATH", bin);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(bin, { recursive: true, force: true });
});

async function program(name: string, script = ""): Promise<string> {
  const path = join(bin, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

describe("ensureBinaries", () => {
  it("takes what is on PATH and installs nothing", async () => {
    const redis = await program("redis-server");
    const influx = await program("influxd", "echo 'InfluxDB v1.8.10 (git: 1.8 688e697c51fd)'");
    await program("apt-get", `touch ${bin}/called`);
    expect(await ensureBinaries({ need: ["redis", "influx"], ...silent })).toEqual({ redis, influx });
    expect(onPath("called")).toBeUndefined();
  });

  it("names every way to get what is missing, and only that", async () => {
    await program("redis-server");
    const refused = ensureBinaries({ need: ["redis", "influx"], ...silent });
    await expect(refused).rejects.toMatchObject({ code: "SERVICE_MISSING" });
    await expect(refused).rejects.toThrow(
      /apt-get install influxdb\n[\s\S]*brew install influxdb@1\n[\s\S]*docker compose up/,
    );
  });

  it.each(["InfluxDB v2.7.11 (git: fbf5d4ab5e)", "influxdb3 3.0.0"])(
    "does not touch an influxd of another generation: %s",
    async (version) => {
      await program("influxd", `echo '${version}'`);
      await program("apt-get", `touch ${bin}/called`);
      await expect(ensureBinaries({ need: ["influx"], ...silent })).rejects.toThrow(
        /influxd on PATH is [\s\S]*INFLUX_URL/,
      );
      expect(onPath("called")).toBeUndefined();
    },
  );

  it("overlooks a file that no one may run", async () => {
    await chmod(await program("redis-server"), 0o644);
    await expect(ensureBinaries({ need: ["redis"], ...silent })).rejects.toMatchObject({ code: "SERVICE_MISSING" });
  });

  it("says what it installs before it does, and what to do when it may not or that fails", async () => {
    await program("apt-get", `: > ${bin}/called\nexit 100`);
    const said: string[] = [];
    const refused = ensureBinaries({ need: ["redis"], say: (line) => said.push(line) });
    await expect(refused).rejects.toThrow(/docker compose up/);
    const mayInstall = process.getuid?.() === 0;
    expect(existsSync(join(bin, "called"))).toBe(mayInstall);
    if (mayInstall) expect(said[0]).toContain("installing with apt-get: redis-server");
  });
});

describe("a Python with paho-mqtt", () => {
  it("is the first on PATH that can import it, whatever stands before it", async () => {
    const without = await program("python3", "exit 1");
    expect(findPythonWithPaho()).toBeUndefined();
    const further = await mkdtemp(join(tmpdir(), "binaries-"));
    vi.stubEnv("PATH", `${bin}:${further}`);
    const withIt = join(further, "python3");
    await writeFile(withIt, '#!/bin/sh\n[ "$2" = "import paho.mqtt.client" ]\n', { mode: 0o755 });
    expect(findPythonWithPaho()).toBe(withIt);
    rmSync(without);
    await rm(further, { recursive: true });
  });
});

describe("a browser", () => {
  it("is the one that was named, else one on PATH, else none", async () => {
    expect(findBrowser(undefined)).toBeUndefined();
    expect(findBrowser("")).toBeUndefined();
    const chrome = await program("google-chrome");
    expect(findBrowser(undefined)).toBe(chrome);
    const chromium = await program("chromium");
    expect(findBrowser(undefined)).toBe(chromium);
    expect(findBrowser("/opt/browser")).toBe("/opt/browser");
  });

  it("and what else only tests use is not installed when it is there, and fails nothing when it cannot be had", async () => {
    await program("apt-get", `: > ${bin}/called\nexit 100`);
    const others: string[] = [];
    const programs = ["victoria-metrics", "mosquitto", "prometheus", "systemd-analyze", "openssl", "python3", "g++"];
    for (const name of programs) others.push(await program(name));
    const said: string[] = [];
    await offerTestTools("/opt/browser", (line) => said.push(line));
    expect([said, existsSync(join(bin, "called"))]).toEqual([[], false]);
    for (const path of others) rmSync(path);
    await offerTestTools(undefined, (line) => said.push(line));
    const mayInstall = process.getuid?.() === 0;
    expect(existsSync(join(bin, "called"))).toBe(mayInstall);
    if (!mayInstall) return;
    for (const name of [
      "chromium",
      "victoria-metrics",
      "mosquitto",
      "prometheus",
      "systemd",
      "openssl",
      "python3-paho-mqtt",
      "g++",
    ]) {
      expect(said).toContain(`installing with apt-get: ${name} (no system daemon will be started)`);
      expect(said).toContain(`${name} could not be installed; tests that need it are skipped`);
    }
  });
});
