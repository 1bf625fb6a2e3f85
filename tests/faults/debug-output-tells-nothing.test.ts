/**
 * Whatever debug output a process is asked for, none of it shows what devices send, who they are, or a token:
 * what can be switched off is, which one line says; with what cannot be, no program of the gateway runs.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { leakScan } from "../../simulators/leak-scan.ts";
import { builtProgram } from "../../tools/stack/built-program.ts";
import { Canaries } from "../fixtures/canaries.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

const REVEALING = {
  DEBUG: "*",
  NODE_DEBUG: "*,http,http2,net,tls,stream,fs,timer,module,undici,fetch,worker,child_process,bullmq,ioredis",
  NODE_DEBUG_NATIVE: "*",
  NODE_OPTIONS: "--report-uncaught-exception --report-on-fatalerror --report-on-signal",
};

let system: TestSystem | undefined;
const before = { ...process.env };

function restoreEnvironment(): void {
  for (const name of Object.keys(REVEALING)) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
}
afterEach(restoreEnvironment);
afterAll(async () => {
  await system?.stop();
});

test("asked for all debug output there is, a gateway shows no message, id, address or token", async () => {
  Object.assign(process.env, REVEALING);
  system = await startSystem();
  restoreEnvironment();
  const canaries = new Canaries();
  const device = await system.device({
    id: canaries.text("device-id", "lamp"),
    subject: canaries.text("account", "person"),
  });
  canaries.add("token", device.token);
  canaries.add("service-token", system.stack.config.apiToken);
  for (const part of ["telemetry", "telemetry"]) await system.say(device, canaries.message(), part);
  // What is refused, by HTTP and by MQTT, takes other ways through the code.
  await system.say(device, `{"model":"${canaries.text("account", "HB")}"`);
  await system.connect({ ...device, token: canaries.add("token", "w".repeat(40)) }).catch(() => undefined);
  await fetch(`${system.stack.httpUrl}/v1/subjects/${canaries.text("account", "nobody")}/consents`);
  await system.settled();
  await system.stack.gateway.stop();

  const logs = join(system.stack.dir, "logs");
  expect((await leakScan({ files: [logs], canaries: canaries.all })).leaks).toEqual([]);
  const lines = (await readFile(join(logs, "gateway.log"), "utf8")).split("\n");
  expect(lines.filter((line) => line.includes("would show what devices send"))).toEqual([
    "consentry: ignored, because it would show what devices send: DEBUG, NODE_DEBUG, NODE_DEBUG_NATIVE, diagnostic reports",
  ]);
});

test("with what cannot be switched off nothing runs, however it is said", async () => {
  const revealing = ["--tls-keylog=/dev/null", "--trace-tls", "--heapsnapshot-signal=SIGUSR2"];
  const refused = await Promise.all([
    ...revealing.map((option) => usage([option])),
    usage([], { NODE_OPTIONS: "--trace_event_categories=node.http" }),
  ]);
  const named = ["--tls-keylog", "--trace-tls", "--heapsnapshot-signal", "--trace-event-categories"];
  const words = (option: string) => `CONFIG_INVALID: ${option}: would output what devices send\n`;
  expect(refused).toEqual(named.map((option) => ({ code: 2, stderr: words(option) })));
});

test("an open inspector is told of; where nothing is asked for, nothing is said", async () => {
  const [open, plain] = await Promise.all([usage(["--inspect=127.0.0.1:0"]), usage([])]);
  expect(open?.stderr).toContain("consentry: an inspector is open");
  expect([open?.code, plain]).toEqual([0, { code: 0, stderr: "" }]);
});

/** How the program ends that only tells how it is used. */
async function usage(
  options: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stderr: string }> {
  const args = [...options, await builtProgram("src/main.ts"), "--help"];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, ...env } }, (error, _stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stderr }),
    );
  });
}
