/** What takes part in a comparison: how each is started on servers of its own, loaded, checked and stopped. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import type { Version } from "../tools/wire/mqtt-wire.ts";
import { Child } from "./child.ts";
import { startBareAedes } from "./compared-pipelines.ts";
import { type DialectLoad, TASMOTA, ZIGBEE2MQTT } from "./dialect-loads.ts";
import { type GatewayOptions, startGateway } from "./gateway-pipeline.ts";
import { HEAP_PROBE } from "./heap-question.ts";
import type { LoaderCommands } from "./loader.ts";
import { startMosquittoScript } from "./peers/mosquitto-script.ts";
import { startRabbitmqQuorum } from "./peers/rabbitmq-quorum.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Contender } from "./windows.ts";

/** Name of the gateway of this checkout as it is shipped: what all others are compared with. */
export const PATH = "path";
export const BARE = "bare";
export const NO_PRIVACY = "no-privacy";
export const SERVICES = "services";
/** The same, and two connections of the scene service divide what it gets. */
export const SHARED = "shared";
export const AGAINST = "against";
/** The whole path, whose devices speak MQTT 5. */
export const MQTT_5 = "mqtt5";

/** What others would build instead of a gateway, of parts that are well known. */
export const MOSQUITTO_SCRIPT = "mosquitto-script";
export const RABBITMQ_QUORUM = "rabbitmq-quorum";
export const isPeer = (name: string): boolean => name === MOSQUITTO_SCRIPT || name === RABBITMQ_QUORUM;

/** What the whole path is compared with devices of; each is named by its dialect. */
export const DIALECT_LOADS = [ZIGBEE2MQTT, TASMOTA] as const;

/** Unacknowledged messages of one device, and of one connection: a gateway takes 256 of each. */
const WINDOW = 20;
const MOST_IN_FLIGHT = 240;
const KEEP_ALIVE_SECONDS = 300;

/** Started in a folder of its own below that of the run. */
export interface Entrant {
  readonly name: string;
  /** Of MQTT; 3.1.1 unless given. */
  readonly version?: Version;
  start(dir: string, devices: number): Promise<Pipeline>;
}

export const mosquittoScript: Entrant = { name: MOSQUITTO_SCRIPT, start: startMosquittoScript };
export const rabbitmqQuorum: Entrant = { name: RABBITMQ_QUORUM, start: startRabbitmqQuorum };

export const bareAedes: Entrant = { name: BARE, start: (_dir, devices) => startBareAedes(devices, []) };

export function wholePath(nodeOptions: readonly string[]): Entrant {
  return gateway(PATH, { nodeOptions });
}

/** The same gateway, whose devices speak MQTT 5. */
export function wholePathMqtt5(nodeOptions: readonly string[]): Entrant {
  return { ...gateway(MQTT_5, { nodeOptions }), version: 5 };
}

/** The same gateway, whose devices speak a dialect. */
export function speaking(load: DialectLoad, nodeOptions: readonly string[]): Entrant {
  return gateway(load.dialect, { load, nodeOptions });
}

/** A consent gate that lets everything pass and an envelope that seals nothing. */
export const withoutPrivacy = gateway(NO_PRIVACY, { entry: "bench/no-privacy.ts" });

/** A weather and a scene service listen to everything: one message out for each that comes in, for weather is told of crowds. */
export const withServices = gateway(SERVICES, { services: "alone" });

/** As many messages go out: the scene service listens as a group of two. */
export const withSharedServices = gateway(SHARED, { services: "shared" });

/** With the operator's console, and without. */
export const withConsole = gateway("console", { console: true });
export const withoutConsole = gateway("no console", {});

/** This checkout under other flags of Node. */
export function withNodeFlags(flags: string): Entrant {
  return gateway(flags, { nodeFlags: flags.split(/\s+/).filter((flag) => flag !== "") });
}

/** This checkout, with this share of its batches told to a collector that takes everything. */
export function tracing(sampleRatio: number): Entrant {
  const name = tracedName(sampleRatio);
  return {
    name,
    start: async (dir, devices) => {
      const collector = createServer((request, response) => request.resume().once("end", () => response.end("{}")));
      await once(collector.listen(0, "127.0.0.1"), "listening");
      const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;
      const pipeline = await gateway(name, { tracing: { sampleRatio, endpoint } }).start(dir, devices);
      const stop = async () => {
        await pipeline.stop();
        collector.close();
      };
      return { ...pipeline, stop };
    },
  };
}

export function tracedName(sampleRatio: number): string {
  return `traced ${sampleRatio}`;
}

/** Another checkout: its sources, packages and flags of Node, started as anybody would start it. */
export function otherCheckout(path: string): Entrant {
  const root = resolve(path);
  return {
    name: AGAINST,
    start: async (dir, devices) => {
      const nodeFlags = JSON.parse(await readFile(join(root, "config", "node-flags.json"), "utf8")) as string[];
      return await gateway(AGAINST, { root, nodeFlags }).start(dir, devices);
    },
  };
}

function gateway(name: string, different: Partial<GatewayOptions>): Entrant {
  const nodeOptions = [...HEAP_PROBE, ...(different.nodeOptions ?? [])];
  return {
    name,
    start: (dir, devices) =>
      startGateway({ entry: "src/main.ts", services: "none", ...different, dir, devices, nodeOptions }),
  };
}

/** Starts all of them, hands them over warm and ready for load, and has every store count its rows at the end. */
export async function withContenders<Result>(
  entrants: readonly Entrant[],
  options: { readonly dir: string; readonly devices: number },
  run: (contenders: readonly Contender[]) => Promise<Result>,
): Promise<Result> {
  const contenders: Contender[] = [];
  try {
    for (const [index, { name, version = 4, start }] of entrants.entries()) {
      const pipeline = await start(join(options.dir, `${index}`), options.devices);
      contenders.push({ name, pipeline, loader: await connectedTo(pipeline, version) });
    }
    const result = await run(contenders);
    for (const { pipeline } of contenders) await confirmRows(pipeline);
    return result;
  } finally {
    for (const { loader, pipeline } of contenders) await Promise.all([loader.stop(), pipeline.stop()]);
  }
}

async function connectedTo(pipeline: Pipeline, version: Version): Promise<Child<LoaderCommands>> {
  const { port, devices, devicesEach = 1, services } = pipeline;
  const window = Math.min(WINDOW * devicesEach, MOST_IN_FLIGHT);
  const loader = new Child<LoaderCommands>("loader.ts");
  try {
    await loader.ask("connect", { port, devices, window, keepAliveSeconds: KEEP_ALIVE_SECONDS, version });
    if (services !== undefined) await loader.ask("listen", { port, services, keepAliveSeconds: KEEP_ALIVE_SECONDS });
    return loader;
  } catch (error) {
    await Promise.all([loader.stop(), pipeline.stop()]);
    throw error;
  }
}

/** "Stored" is the pipeline's own word: the store is asked too. */
async function confirmRows(pipeline: Pipeline): Promise<void> {
  const counts = await pipeline.counts?.();
  const rows = await pipeline.rows?.();
  if (counts === undefined || rows === undefined || rows === counts.stored) return;
  throw new Error(`the run is not valid: ${counts.stored} said to be stored, ${rows} rows found`);
}
