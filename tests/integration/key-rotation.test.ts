/**
 * Keys change while devices publish: every acknowledged message is stored, names stay what they were, and
 * a key goes only when nothing needs it any more.
 */
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { checkKeys, destroyKey, rotateMaster, rotateQueue } from "../../src/commands/key-commands.ts";
import { withOperator } from "../../src/commands/operator-command.ts";
import type { ReceiptKey } from "../../src/model/erasure.ts";
import { addQueueKey, beginMaster } from "../../src/platform/keys/changes.ts";
import type { KeyReport } from "../../src/platform/keys/live-keys.ts";
import { verifyConsentReceipt } from "../../src/rights/receipts/signer.ts";
import { startGateway } from "../../tools/stack/gateway-process.ts";
import { runCommand } from "../fixtures/command.ts";
import { until } from "../fixtures/eventually.ts";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

vi.setConfig({ testTimeout: 240_000 });

let system: TestSystem;
let device: Device;
let keysDir: string;

beforeAll(async () => {
  system = await startSystem({ mqtt: { enqueueDeadlineMs: 1_000 }, retention: { queueKeyDays: 0 } });
  device = await system.device();
  keysDir = join(system.stack.dir, "keys");
});
afterEach(() => publishing?.stop());
afterAll(() => system?.stop());

interface Answer {
  readonly code: number | undefined;
  readonly lines: readonly string[];
  readonly error: string;
}

/** The command as an operator calls it. */
async function typed(...args: string[]): Promise<Answer> {
  const command = [...args, "--config", system.stack.config.file];
  const { exitCode, stdout, stderr } = await runCommand("keys", command);
  return { code: exitCode, lines: stdout.split("\n"), error: stderr };
}

/** What it does, without the time that a process of its own takes. */
async function keys(command: "rotate" | "destroy" | "check", what = ""): Promise<Answer> {
  const said: string[] = [];
  try {
    await withOperator({ config: system.stack.config.file }, async (operator) => {
      if (command === "check") said.push(...(await checkKeys(operator)));
      if (command === "destroy") said.push(...(await destroyKey(operator, what)));
      if (command === "rotate" && what === "queue") said.push(...(await rotateQueue(operator)));
      if (command === "rotate" && what === "master")
        said.push(...(await rotateMaster(operator, (lines) => said.push(...lines))));
    });
    return { code: command === "check" && said.length > 0 ? 1 : 0, lines: said, error: "" };
  } catch (error) {
    return { code: 1, lines: said, error: (error as Error).message };
  }
}

/** Far above what it counts up to. */
const LATER = 1e9;

/** One device that publishes without a pause and counts its PUBACKs. */
class Publishing {
  acknowledged = 0;
  #on = true;
  #ended: Promise<void> = Promise.resolve();

  async start(): Promise<this> {
    const client = await system.connect(device);
    this.#ended = (async () => {
      for (let seq = 0; this.#on; seq += 10) {
        const packets = Array.from({ length: 10 }, (_, index) =>
          client.publishAsync(
            `devices/${device.id}/telemetry`,
            JSON.stringify({ model: "HB-1", status: { seq: seq + index } }),
            { qos: 1 },
          ),
        );
        await Promise.all(packets);
        this.acknowledged += packets.length;
      }
    })();
    return this;
  }

  async stop(): Promise<number> {
    this.#on = false;
    await this.#ended;
    return this.acknowledged;
  }
}
let publishing: Publishing | undefined;

const stored = async (): Promise<number> => (await system.rows("device_status")).length;
const names = async () => [...new Set((await system.rows("device_status")).map((row) => row.device))];

test("the queue key changes under load, and every acknowledged message is stored", async () => {
  publishing = await new Publishing().start();
  await until("messages are stored", async () => (await stored()) > 0);
  expect(await keys("rotate", "queue")).toMatchObject({
    code: 0,
    error: "",
    lines: ["q0002 made; 1 gateway seal under it"],
  });
  const before = publishing.acknowledged;
  system.stack.gateway.signal("SIGHUP");
  await until("it goes on", () => (publishing?.acknowledged ?? 0) > before);
  expect(await keys("rotate", "queue")).toMatchObject({ code: 0, lines: ["q0003 made; 1 gateway seal under it"] });
  const count = await publishing.stop();
  const books = await system.settled();
  expect(books.deadLettered).toBe(0);
  expect(await stored()).toBe(count);
});

test("a key that seals, or under which something lies, is not destroyed; afterwards it is", async () => {
  expect(await keys("destroy", "q0003")).toMatchObject({
    code: 1,
    error: expect.stringContaining("KEY_IN_USE: it seals new batches"),
  });
  await system.stack.influx.kill("SIGKILL");
  await system.say(device, { status: { seq: LATER + 1 } });
  expect(await keys("rotate", "queue")).toMatchObject({ code: 0, lines: [expect.stringContaining("q0004")] });
  await until("no batch under the former key can be in transit", async () => {
    const { error } = await keys("destroy", "q0003");
    return error.includes("1 batches, dead letters or notices are sealed under it");
  });
  await system.stack.influx.start();
  await system.settled();

  const sealed = JSON.stringify({ reason: "poison", at: 1, messages: 1, sealed: { k: "q0003", s: "" }, deviceKey: "" });
  await system.redis.hset("{consentry:queue}:dead-letters", "x", sealed);
  expect((await keys("destroy", "q0003")).error).toContain("KEY_IN_USE");
  await system.redis.hdel("{consentry:queue}:dead-letters", "x");
  expect(await keys("destroy", "q0003")).toMatchObject({ code: 0, error: "" });
  expect((await readdir(join(keysDir, "queue"))).sort()).toEqual(["q0001.key", "q0002.key", "q0004.key"]);
  expect(await keys("destroy", "q0003")).toMatchObject({ code: 1, error: expect.stringContaining("KEY_INVALID") });
  await until("the gateway has let go of it", async () => (await keys("check")).code === 0);
  await system.say(device, { status: { seq: LATER + 2 } });
  await system.settled();
});

test("with two gateways a new key seals when both hold it, whichever of them opens what was sealed", async () => {
  const other = await startGateway({
    configFile: system.stack.config.file,
    logFile: join(system.stack.dir, "logs", "other.log"),
  });
  try {
    publishing = await new Publishing().start();
    // One that has stopped for a while still counts: the key it lacks must not seal.
    other.signal("SIGSTOP");
    const before = await stored();
    const id = addQueueKey(keysDir);
    const reports = async () =>
      (await system.redis.hvals("{consentry:gateways}:reports")).map((text) => JSON.parse(text) as KeyReport);
    await until("one of them holds it", async () => (await reports()).some(({ queue }) => id in queue));
    expect((await reports()).map(({ sealing }) => sealing[0])).not.toContain(id);
    other.signal("SIGCONT");
    await until(
      "both seal under it",
      async () => (await reports()).every(({ sealing }) => sealing[0] === id) && (await reports()).length === 2,
    );
    expect(await keys("rotate", "queue")).toMatchObject({
      code: 0,
      lines: [expect.stringContaining("2 gateways seal under it")],
    });
    await until("it goes on", async () => (await stored()) > before);
    await publishing.stop();
    await until("all is stored", async () => (await system.queuedJobs()) === 0);
    expect(await system.redis.exists("{consentry:queue}:dead-letters")).toBe(0);
  } finally {
    other.signal("SIGCONT");
    await other.stop();
  }
  // What one admitted the other may have stored: each has half of the books, and new ones are begun.
  await system.stack.gateway.stop();
  await system.stack.startGateway();
});

test("the master key changes under load: names stay, the former key is retired and can go", async () => {
  const before = await names();
  expect(before).toHaveLength(1);
  const hash = (await system.redis.keys("consentry:{*}:subject"))[0] ?? "";
  const wrapped = await system.redis.hget(hash, "key");
  publishing = await new Publishing().start();
  const rotated = await keys("rotate", "master");
  expect(rotated).toMatchObject({ code: 0, error: "" });
  expect(rotated.lines[0]).toBe("1 subject keys rewrapped");
  const retired = /keys -- destroy (master-[0-9a-f]{16})/.exec(rotated.lines.join("\n"))?.[1] ?? "none";
  const late = await system.device();
  await system.say(late, { status: { seq: LATER + 3 } });
  await publishing.stop();
  expect((await system.settled()).deadLettered).toBe(0);
  const after = await names();
  expect(after).toHaveLength(2);
  expect(after).toContain(before[0]);
  expect(await system.redis.hget(hash, "key")).not.toBe(wrapped);
  for (const decision of await system.redis.keys("consentry:{*}:decision:*")) {
    expect(await system.redis.get(decision)).not.toContain(wrapped);
  }

  expect((await typed("list")).lines.join("\n")).toContain(retired);
  expect(await keys("destroy", retired)).toMatchObject({ code: 0, error: "" });
  expect(await keys("check")).toMatchObject({ code: 0 });
  await system.stack.gateway.stop();
  await system.stack.startGateway();
  await system.say(device, { status: { seq: LATER + 4 } });
  await system.settled();
  expect(await names()).toHaveLength(2);
});

test("a rotation of the master key that was interrupted goes on with the same next key", async () => {
  await system.stack.gateway.stop();
  // The next key is there and nothing is wrapped again yet, as after a crash.
  beginMaster(keysDir);
  const next = (await typed("list")).lines.find((line) => line.startsWith("master-next"))?.split(/ +/)[1];
  expect((await keys("check")).lines).toEqual([
    "a rotation of the master key was interrupted; run rotate master again",
  ]);
  await system.stack.startGateway();
  await system.say(device, { status: { seq: LATER + 5 } });
  expect(await keys("rotate", "master")).toMatchObject({ code: 0, error: "" });
  expect((await typed("list")).lines.find((line) => line.startsWith("master "))?.split(/ +/)[1]).toBe(next);
  await system.say(device, { status: { seq: LATER + 6 } });
  await system.settled();
  expect(await names()).toHaveLength(2);
});

test("after a rotation of the receipt key consents are signed with another one, and what was signed before stays valid", async () => {
  const ask = (path: string): Promise<unknown> => system.stack.api.call("GET", path, [device.subject]);
  const receipt = () => ask("/v1/subjects/{subject}/consents/receipt");
  const published = async (): Promise<ReceiptKey[]> =>
    ((await system.stack.api.call("GET", "/v1/keys/receipt", [])) as { keys: ReceiptKey[] }).keys;
  const before = await receipt();
  const [former] = await published();
  expect(await typed("rotate", "receipt")).toMatchObject({ code: 0, error: "" });
  await system.stack.gateway.stop();
  await system.stack.startGateway();
  const keySet = await published();
  expect(keySet.map(({ kid }) => kid)).toEqual([expect.not.stringMatching(former?.kid ?? ""), former?.kid]);
  const pems = keySet.map(({ pem }) => pem);
  expect(verifyConsentReceipt(before, ...pems)).toMatchObject({ valid: true, kid: former?.kid });
  expect(verifyConsentReceipt(await receipt(), ...pems)).toMatchObject({ valid: true, kid: keySet[0]?.kid });
});

test("nothing that is printed is a key", async () => {
  const printed = (await Promise.all([typed("list"), typed("check"), typed("create")]))
    .map(({ lines }) => lines.join("\n"))
    .join("\n");
  expect(printed).toContain("q0006");
  expect(printed).not.toMatch(/[0-9a-f]{32}/);
  await unlink(join(keysDir, "backup.key"));
  expect((await keys("check")).lines).toEqual(["backup.key is missing: no backup can be taken"]);
  expect((await typed("create")).lines).toEqual(["backup key created"]);
  expect((await typed("rotate", "token")).code).toBe(2);
});
