/** Where a gateway that has started can be reached, for the person who started it: read off the log, shown on a terminal alone. */
import type { Config } from "../config/schema.ts";
import type { Log } from "../model/log.ts";

/** The name of a listener, as in the log, and `host:port` as a program on this machine reaches it. */
export type Listeners = ReadonlyMap<string, string>;

/** The same log, and the listeners that it has told of so far: with the ports that were taken, also where any was asked for. */
export function hearListeners(log: Log): { readonly log: Log; readonly listeners: Listeners } {
  const listeners = new Map<string, string>();
  return {
    listeners,
    log: {
      ...log,
      info: (event, fields) => {
        const { listener, host, port } = fields ?? {};
        if (event === "listening" && listener !== undefined) listeners.set(listener, `${reachable(host)}:${port}`);
        log.info(event, fields);
      },
    },
  };
}

/** One line for each; the last is a command that shows what is stored. */
export function addressLines(
  { centre, sinks: { influx } }: Pick<Config, "centre" | "sinks">,
  listeners: Listeners,
): string[] {
  const of = (listener: string, label: string, scheme: string, path = "", remark = ""): string[] => {
    const address = listeners.get(listener);
    return address === undefined
      ? []
      : [`  ${label.padEnd(9)} ${scheme}://${address}${path}${remark && `  ${remark}`}`];
  };
  const metrics = listeners.has("metrics") ? "metrics" : "http";
  return [
    ...of("mqtt-tcp", "MQTT", "mqtt"),
    ...of("mqtt-tls", "MQTT", "mqtts"),
    ...of("mqtt-ws", "MQTT", "ws"),
    ...of("http", "HTTP", "http", "/"),
    ...of("http", "docs", "http", "/docs"),
    ...(centre.enabled ? of("http", "centre", "http", "/centre/", "(a link opens it: docs/privacy-centre.md)") : []),
    ...of(metrics, "metrics", "http", "/metrics"),
    ...storedRows(influx),
  ];
}

/** With a credential the command would have to name it, and the other lines of InfluxDB need one always. */
function storedRows({ api, url, database, username }: Config["sinks"]["influx"]): string[] {
  if (api !== "v1" || username !== "") return [];
  const query = "SELECT * FROM device_status ORDER BY time DESC LIMIT 5";
  const parts = [`${url.replace(/\/$/, "")}/query`, `db=${database}`, `q=${query}`].map(quoted);
  return [`  InfluxDB  curl -G ${parts.join(" --data-urlencode ")}`];
}

/** For a shell; a plain word needs no quotes. */
function quoted(word: string): string {
  return /^[\w.:/=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** An address that stands for all of a machine cannot be opened everywhere. */
function reachable(host = "localhost"): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return name.includes(":") ? `[${name}]` : name;
}
