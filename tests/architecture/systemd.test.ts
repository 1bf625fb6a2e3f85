/** The unit for systemd starts what is built, with credentials that its configuration names, and waits for the drain. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
const unit = read("deploy/systemd/consentry.service");
const CREDENTIALS = "/run/credentials/consentry.service";

/** Every value of a setting, in order. */
const all = (name: string) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value = ""]) => value);
const one = (name: string) => all(name).join("\n");

const dir = mkdtempSync(join(tmpdir(), "systemd-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Its configuration, with the credentials as systemd 252 lays them down where a file system has access lists. */
function config() {
  const credentials = join(dir, "credentials");
  mkdirSync(credentials, { recursive: true });
  for (const [index, name] of all("LoadCredential").entries()) {
    const [file = ""] = name.split(":");
    const content = file === "redis.url" ? "redis://127.0.0.1:6379" : `${index}-token-of-the-unit-0123456789abcdefghij`;
    rmSync(join(credentials, file), { force: true });
    writeFileSync(join(credentials, file), content, { mode: 0o440 });
  }
  const file = join(dir, "consentry.yaml");
  writeFileSync(file, read("deploy/systemd/consentry.yaml").replaceAll(CREDENTIALS, credentials));
  return loadConfig({ file, env: { CREDENTIALS_DIRECTORY: credentials } });
}

describe("deploy/systemd/consentry.service", () => {
  it("starts the gateway with the flags every other start uses", () => {
    const flags = JSON.parse(read("config/node-flags.json")) as string[];
    expect(one("ExecStart")).toBe(
      `/usr/bin/node ${flags.join(" ")} dist/main.js --config /etc/consentry/consentry.yaml`,
    );
  });

  it("gives it the credentials that its configuration names, and no other", () => {
    const named = [...JSON.stringify(parse(read("deploy/systemd/consentry.yaml"))).matchAll(/"([^"]+)"/g)]
      .map(([, text = ""]) => text)
      .filter((text) => text.startsWith(CREDENTIALS));
    const given = all("LoadCredential").map((credential) => `${CREDENTIALS}/${credential.split(":")[0]}`);
    expect(named.toSorted()).toEqual(given.toSorted());
    for (const credential of all("LoadCredential"))
      expect(credential).toMatch(/^([a-z.]+):\/etc\/consentry\/secrets\/\1$/);
    expect(config().services).toHaveLength(1);
    expect(unit).not.toMatch(/^Environment=.*(?:TOKEN|PASSWORD|URL)/m);
  });

  it("starts it again after a fault, not after a wrong configuration", () => {
    expect(one("Restart")).toBe("on-failure");
    expect(one("RestartPreventExitStatus")).toBe("2");
  });

  it("keeps its memory bounded, and waits for the drain before it kills", () => {
    expect(one("MemoryMax")).toMatch(/^\d+G$/);
    expect(Number(one("LimitNOFILE"))).toBeGreaterThan(config().mqtt.maxConnections * 2);
    const { observe, queue, mqtt } = config();
    const drainMs = observe.stoppingMs + 2 * (queue.stopDeadlineMs + mqtt.drainTimeoutMs) + mqtt.enqueueDeadlineMs;
    expect(Number(one("TimeoutStopSec")) * 1_000).toBeGreaterThan(drainMs);
  });

  it("writes to its state alone, where its configuration keeps journal and backups", () => {
    expect(one("ProtectSystem")).toBe("strict");
    expect(one("StateDirectory")).toBe("consentry");
    const { backup } = config();
    for (const path of [backup.dir, backup.journalFile]) expect(path).toMatch(/^\/var\/lib\/consentry\//);
    expect(one("User")).toBe("consentry");
    expect(one("CapabilityBoundingSet")).toBe("");
  });
});
