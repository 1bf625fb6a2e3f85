/**
 * The devices of `examples/`, run as a reader of docs/guides/connect-a-device.md runs them: over TLS with the CA that the page
 * makes, nothing they measure is lost and nothing is stored twice, and no token reaches a stranger.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { onPath } from "../../tools/private-servers/service-binaries.ts";
import { until } from "../fixtures/eventually.ts";
import type { ExampleDevice, Telemetry } from "../fixtures/example-device.ts";
import { EXAMPLE_PROGRAMS, type Settings } from "../fixtures/example-programs.ts";
import { Impostor } from "../fixtures/impostor.ts";
import { type Certificates, certificates } from "../fixtures/private-ca.ts";
import { Relay } from "../fixtures/relay.ts";
import { timedRows } from "../fixtures/row-times.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

const openssl = onPath("openssl") !== undefined;

let pki: Certificates;
let system: TestSystem;
let relay: Relay;
const running: ExampleDevice[] = [];
beforeAll(async () => {
  if (!openssl) return;
  pki = await certificates();
  const { certFile, keyFile } = pki;
  system = await startSystem({ mqtt: { tls: { enabled: true, port: 0, certFile, keyFile } } });
  relay = new Relay(() => system.stack.gateway.port("mqtt-tls"));
  await relay.start();
}, 90_000);
afterEach(async () => {
  await Promise.all(running.splice(0).map((device) => device.ends("SIGKILL")));
});
afterAll(async () => {
  await relay?.stop();
  await system?.stop();
  await pki?.remove();
});

/** The rows of the store that these messages became: `ts` and temperature, in order. */
async function rowsOf(messages: readonly Telemetry[]): Promise<string[]> {
  await system.settled();
  const rows = (await timedRows(system, "temperature")).map(({ timeNs, value }) => `${timeNs.slice(0, -6)} ${value}`);
  const times = new Set(messages.map(({ ts }) => String(ts)));
  return rows.filter((row) => times.has(row.slice(0, row.indexOf(" ")))).toSorted();
}

/** Properties that no vocabulary knows, or values that it does not take. */
async function leftOut(): Promise<string[]> {
  const metrics = await system.stack.api.metrics();
  return metrics.match(/^consentry_properties_dropped_total\S* [1-9]\d*$/gm) ?? [];
}

const expected = (messages: readonly Telemetry[]) =>
  messages.map(({ ts, status }) => `${ts} ${status.temperature}`).toSorted();

for (const program of EXAMPLE_PROGRAMS) {
  describe.skipIf(!openssl || !program.found())(program.name, () => {
    let device: Device;
    let settings: Settings;
    const start = (more: Partial<Settings> = {}): ExampleDevice => {
      const started = program.start({ ...settings, ...more });
      running.push(started);
      return started;
    };

    beforeAll(async () => {
      await program.build?.(pki);
    }, 120_000);

    const fresh = async () => {
      device = await system.device();
      const dir = await pki.folder();
      const tokenFile = join(dir, "device.token");
      await writeFile(tokenFile, `${device.token}\n`, { mode: 0o600 });
      const buffer = join(dir, "buffer");
      settings = {
        gateway: "localhost",
        port: relay.port,
        ca: pki.ca,
        device: device.id,
        tokenFile,
        buffer,
        every: 0.3,
      };
    };

    test("what it measures is stored, each under its own time, and it ends when it is asked to", async () => {
      await fresh();
      const example = start();
      await example.says("acknowledged ", 4);
      // A chip has no such signal.
      expect(await example.ends("SIGTERM")).toBe(program.keepsOnDisk ? 0 : null);
      const messages = example.acknowledged;
      expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
      expect(await rowsOf(messages)).toEqual(expected(messages));
      expect(await leftOut()).toEqual([]);
    });

    test("what it measured while the gateway was away arrives later, in order, with its own times", async () => {
      await fresh();
      const example = start();
      await example.says("acknowledged ", 1);
      await system.stack.gateway.kill("SIGKILL");
      const before = example.acknowledged.length;
      const left = Date.now();
      await example.says("not connected", 2);
      await system.stack.startGateway();
      const back = Date.now();
      await until("everything from then has arrived", () => (example.acknowledged.at(-1)?.ts ?? 0) > back);
      await example.ends("SIGTERM");
      const messages = example.acknowledged;
      const offline = messages.filter(({ ts }) => ts > left && ts < back);
      expect(offline.length).toBeGreaterThan(1);
      expect(messages.slice(before)).toEqual(messages.slice(before).toSorted((a, b) => a.ts - b.ts));
      expect(await rowsOf(messages)).toEqual(expected(messages));
    });

    test("a message whose PUBACK got lost is sent again byte for byte, and stored once", async () => {
      await fresh();
      const example = start({ every: 1_000 });
      await example.says("acknowledged ", 1);
      await example.ends("SIGTERM");
      const before = (await system.books()).received;
      const repeated = await system.metric("messages_repeated_total");

      const again = start({ every: 0.5 });
      await again.says("connected");
      await again.says("acknowledged ", 1);
      relay.loseAnswers();
      const sure = again.acknowledged.length;
      await until("the gateway has one more", async () => (await system.books()).received > before + sure);
      relay.cut();
      await again.says("acknowledged ", sure + 2);
      await again.ends("SIGTERM");
      const messages = again.acknowledged;
      expect(await rowsOf(messages)).toEqual(expected(messages));
      expect(await system.metric("messages_repeated_total")).toBeGreaterThan(repeated);
    });

    test("a token that is replaced ends nothing: it is not tried again, and the new one goes on where the old one ended", async () => {
      await fresh();
      const failed = () => system.metric("security_events_total", '{kind="failed-login"}');
      const before = await failed();
      const example = start({ keep: 3 });
      await example.says("acknowledged ", 1);
      const token = await system.stack.api.issueToken(device.id);
      await example.says("the token is not valid");
      const sure = example.acknowledged.length;
      // It goes on measuring, for longer than its longest pause between two attempts.
      const full = "dropped a message: the buffer is full";
      await example.says(full, example.starting(full).length + 5);
      expect((await failed()) - before).toBe(1);
      await writeFile(settings.tokenFile, `${token}\n`, { mode: 0o600 });
      await example.says("acknowledged ", sure + 4);
      await example.ends("SIGTERM");
      expect((await failed()) - before).toBe(1);
      expect(await rowsOf(example.acknowledged)).toEqual(expected(example.acknowledged));
    });

    test.each([
      ["of another CA", () => pki.stranger()],
      ["for another name", () => pki.otherName()],
    ] as const)("a gateway with a certificate %s is told nothing", async (_what, certificate) => {
      await fresh();
      const impostor = new Impostor(await certificate());
      await impostor.start();
      const example = start({ port: impostor.port });
      await example.says("not connected", 2);
      await example.ends("SIGKILL");
      impostor.stop();
      expect(impostor.knocks).toBeGreaterThan(1);
      expect(impostor.heard).toBe(0);
      // The same impostor, with the right certificate, hears everything: it can.
      const welcome = new Impostor({ certFile: pki.certFile, keyFile: pki.keyFile });
      await welcome.start();
      start({ port: welcome.port });
      await until("it hears the CONNECT", () => welcome.heard > 0);
      welcome.stop();
    });

    test("a full buffer drops the oldest", async () => {
      await fresh();
      const nobody = new Relay(() => 1);
      await nobody.start();
      const example = start({ port: nobody.port, keep: 3, every: 0.1 });
      await example.says("dropped a message: the buffer is full", 4);
      if (program.keepsOnDisk) expect((await waiting(settings)).length).toBeLessThanOrEqual(4);
      await nobody.stop();
      await example.ends("SIGKILL");
    });

    if (program.keepsOnDisk) {
      test("a device that is killed while it is offline loses nothing", async () => {
        await fresh();
        const nobody = new Relay(() => 1);
        await nobody.start();
        const example = start({ port: nobody.port });
        await until("something waits", async () => (await waiting(settings)).length > 3);
        await example.ends("SIGKILL");
        const kept = await waiting(settings);
        await nobody.stop();
        const again = start();
        await again.says("acknowledged ", kept.length);
        await again.ends("SIGTERM");
        expect(again.acknowledged.slice(0, kept.length)).toEqual(kept);
        expect(await rowsOf(kept)).toEqual(expected(kept));
      });

      test("what is older than a day, or torn, is dropped, and the rest goes on", async () => {
        await fresh();
        const example = start({ every: 1_000 });
        await example.says("acknowledged ");
        await example.ends("SIGTERM");
        const old = { status: { temperature: 44 }, ts: Date.now() - 25 * 3_600_000, id: "old" };
        await writeFile(join(settings.buffer, "000000000001.json"), JSON.stringify(old));
        await writeFile(join(settings.buffer, "000000000002.json"), '{"status":{"tem');
        await writeFile(join(settings.buffer, "000000000003.json.part"), '{"status":{"tem');
        const again = start({ every: 1_000 });
        await again.says("acknowledged ");
        await again.ends("SIGTERM");
        expect(again.starting("dropped")).toEqual([
          "dropped a message: it is too old",
          "dropped a message: it cannot be read",
        ]);
        expect((await timedRows(system, "temperature")).map(({ value }) => value)).not.toContain("44");
        expect(await readdir(settings.buffer)).toEqual([]);
      });

      test("a token that others can read is refused before anything else", async () => {
        await fresh();
        await writeFile(`${settings.tokenFile}.open`, device.token, { mode: 0o644 });
        const example = start({ tokenFile: `${settings.tokenFile}.open` });
        expect(await example.ends()).toBe(1);
        expect(example.lines.join("\n")).toContain("chmod 600");
      });
    }

    test("pauses double up to the longest one, are never the same, and begin again after a success", async () => {
      const pauses = await program.pauses();
      expect(pauses).toHaveLength(13);
      for (const [index, pause] of pauses.slice(0, 12).entries()) {
        const most = Math.min(2 ** index, 300);
        expect(pause).toBeGreaterThanOrEqual(most / 2);
        expect(pause).toBeLessThanOrEqual(most);
      }
      expect(pauses[12]).toBeLessThanOrEqual(1);
      expect(new Set(pauses.slice(9, 12)).size).toBe(3);
    });

    const { times } = program;
    if (times !== undefined) {
      test("a reading gets one time, also when the clock is set late or again", async () => {
        expect(await times()).toEqual([
          "none",
          "1 at 1800000005000",
          "1 at 1800000005000",
          "none",
          "dropped one",
          "3 at 1800000022000",
          "4 at 1800000023000",
        ]);
      });
    }
  });
}

async function waiting({ buffer }: Settings): Promise<Telemetry[]> {
  const names = await readdir(buffer).catch(() => []);
  const texts = names.filter((name) => name.endsWith(".json")).toSorted();
  return await Promise.all(
    texts.map(async (name) => JSON.parse(await readFile(join(buffer, name), "utf8")) as Telemetry),
  );
}
