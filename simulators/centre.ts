/**
 * `npm run centre`: the gateway with two simulated homes, and links to their pages of the privacy centre:
 * one for a person, one for the guardian of a child who has none on file yet. Stays until Ctrl-C.
 */
import "../src/platform/no-debug-output.ts";
import { join } from "node:path";
import { stdin } from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { MqttClient } from "mqtt";
import { SERVICE_PURPOSES } from "../src/model/purposes.ts";
import type { AccountService } from "../tools/stack/account-service.ts";
import { Stack } from "../tools/stack/stack.ts";
import { connectMqtt, disconnectMqtt } from "../tools/wire/connection.ts";
import { ServiceSubscriber } from "../tools/wire/service-subscriber.ts";
import { composeMessage } from "./messages.ts";
import { type Household, makePopulation, type SimulatedDevice, type Standing } from "./population.ts";
import { provision } from "./provisioning.ts";

new Command("centre").description("Two simulated homes, and links to their pages of the privacy centre.").parse();

const DATA_DIR = join("data", "centre");
const EVERY_MS = 1_000;
const GIVEN = { shortLifeMs: 60_000, policyVersion: 1 };
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** The same homes every time: an adult's with something that moves, and a child's. */
function homes(): { readonly adult: Household; readonly child: Household } {
  const { households } = makePopulation(7, 240);
  const pick = (standing: Standing, fits: (home: Household) => boolean): Household => {
    const found = households.find((home) => home.standing === standing && fits(home));
    if (found === undefined) throw new Error(`no home is ${standing}`);
    return found;
  };
  const moves = ({ devices }: Household) => devices.length > 1 && devices.some(({ profile }) => profile.moving);
  return { adult: pick("consenting", moves), child: pick("minor", () => true) };
}

async function link(api: AccountService, home: Household, body: Record<string, unknown>): Promise<string> {
  const devices = home.devices.map(({ id, profile }, index) => ({ device: id, label: `${profile.kind} ${index + 1}` }));
  const request = { jurisdiction: [home.city.jurisdiction], devices, ...body };
  const answer = await api.call("POST", "/v1/subjects/{subject}/links", [home.subject], request);
  return (answer as { url: string }).url;
}

async function showLinks(api: AccountService, adult: Household, child: Household): Promise<void> {
  const verification = { method: "id-check", evidenceRef: "case-1" };
  say("\nEach link opens once, within minutes.");
  say(`  a person    ${await link(api, adult, { by: "subject" })}`);
  say(`  a guardian  ${await link(api, child, { by: "guardian", verification })}`);
  if (stdin.isTTY) say("Enter for new links, Ctrl-C to end.");
}

/** Publishes as a device until the signal; what the gateway refuses is the point, and no fault. */
async function publish(device: SimulatedDevice, url: string, signal: AbortSignal): Promise<MqttClient> {
  const client = await connectMqtt(url, {
    clientId: device.id,
    username: device.id,
    password: device.token,
    reconnectPeriod: 1_000,
  });
  void (async () => {
    for (let seq = 0; !signal.aborted; seq += 1) {
      const { topic, payload } = composeMessage(device, seq, Date.now());
      if (client.connected) client.publish(topic, payload, { qos: 1 });
      await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  })();
  return client;
}

async function run(signal: AbortSignal): Promise<void> {
  const { adult, child } = homes();
  const devices = [...adult.devices, ...child.devices];
  const stack = new Stack({ dir: DATA_DIR, fresh: true, say: (line) => say(`  ${line}`) });
  const clients: MqttClient[] = [];
  const services: ServiceSubscriber[] = [];
  try {
    await stack.start();
    await provision(stack.api, { seed: 0, households: [adult, child], devices, dialectHomes: [] }, GIVEN);
    for (const purpose of SERVICE_PURPOSES) {
      const credential = stack.config.services[purpose];
      if (credential !== undefined) services.push(new ServiceSubscriber(stack.mqttUrl, purpose, credential));
    }
    await Promise.all(services.map((service) => service.start()));
    for (const device of devices) clients.push(await publish(device, stack.mqttUrl, signal));
    await showLinks(stack.api, adult, child);
    isReady = true;
    await untilStopped(() => showLinks(stack.api, adult, child), signal);
  } finally {
    await Promise.all(clients.map((client) => disconnectMqtt(client)));
    await Promise.all(services.map((service) => service.stop()));
    await stack.stop();
  }
}

async function untilStopped(asked: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const lines = stdin.isTTY ? createInterface({ input: stdin }) : undefined;
  lines?.on("line", () => void asked().catch(() => say("  the gateway gave no link; its log says why")));
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  lines?.close();
}

/** Before that there is nothing to drain: what was started ends with this process. */
let isReady = false;
const stopping = new AbortController();
for (const [name, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(name, () => {
    if (!isReady) say("stopped before it was ready");
    if (!isReady || stopping.signal.aborted) process.exit(code);
    say("stopping");
    stopping.abort();
  });
}

try {
  await run(stopping.signal);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
