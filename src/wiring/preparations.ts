/**
 * Checks that need only the configuration, before anything is started: every named file is readable and valid, and
 * every address can be listened on. The error names only options, all that are wrong.
 */
import { createServer, type Server } from "node:net";
import type { Config } from "../config/schema.ts";
import type { Deidentifier } from "../deidentify/deidentify.ts";
import type { Part } from "../platform/lifecycle.ts";
import { listenFailed, type Place } from "../platform/start-faults.ts";
import type { Base } from "./base.ts";
import { type NamedFiles, readNamedFiles } from "./named-files.ts";

export function createPreparations(
  config: Config,
  deidentifier: Pick<Deidentifier, "useDensities">,
  { vocabulary, dialects }: Pick<Base, "vocabulary" | "dialects">,
  started: (files: NamedFiles) => void,
): Part[] {
  return [
    {
      name: "files",
      start: () => {
        const files = readNamedFiles(config, vocabulary);
        deidentifier.useDensities(files.densities);
        dialects.useOwn(files.ownDialects);
        started(files);
      },
      stop: () => undefined,
    },
    { name: "ports", start: () => tryPorts(placesOf(config)), stop: () => undefined },
  ];
}

/** Under the names of the listeners in the log. */
function placesOf({ http, metrics, console, mqtt }: Config): ReadonlyMap<string, Place> {
  const { tcp, tls, ws } = mqtt;
  const places = new Map<string, Place>([["http", { ...http, option: "http" }]]);
  if (metrics.enabled) places.set("metrics", { ...metrics, option: "metrics" });
  if (console.enabled) places.set("console", { ...console, option: "console" });
  if (tcp.enabled) places.set("mqtt-tcp", { ...tcp, option: "mqtt.tcp" });
  if (tls.enabled) places.set("mqtt-tls", { ...tls, option: "mqtt.tls" });
  if (ws.enabled) places.set("mqtt-ws", { ...ws, option: "mqtt.ws" });
  return places;
}

/**
 * All at the same time, so that two listeners on one port are detected too; closed again, because no client may connect
 * yet.
 */
async function tryPorts(places: ReadonlyMap<string, Place>): Promise<void> {
  const opened: Server[] = [];
  try {
    for (const [listener, place] of places) {
      if (place.port === 0) continue;
      opened.push(await listening(listener, place));
    }
  } finally {
    await Promise.all(opened.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function listening(listener: string, place: Place): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error) => reject(listenFailed(listener, error, place)));
    server.listen({ host: place.host, port: place.port }, () => resolve(server));
  });
}
