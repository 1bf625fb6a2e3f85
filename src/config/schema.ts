/**
 * Every option of the gateway: one schema from which the type, the defaults, the environment names,
 * the annotated YAML and the documentation follow. An unknown option is an error.
 */
import { z } from "zod";
import { contactFaults } from "../model/contact.ts";
import { DAY_MS } from "../model/durations.ts";
import { categoryBreaches } from "../model/service-terms.ts";
import { TABLE } from "../vocabulary/table.ts";
import { backupOptions } from "./backup-options.ts";
import { centreOptions } from "./centre-options.ts";
import { consoleOptions } from "./console-options.ts";
import {
  consentOptions,
  currentOptions,
  deidentifyOptions,
  networkOptions,
  placeOptions,
  weatherOptions,
} from "./data-options.ts";
import { mqttOptions, queueOptions } from "./ingress-options.ts";
import { choice, flag, milliseconds, optionalPath, path, text } from "./leaves.ts";
import { httpOptions, metricsOptions, serviceOptions, sinkOptions } from "./outlet-options.ts";
import { dialectOptions, propertyOptions } from "./property-options.ts";
import { headersOf, tracingOptions } from "./tracing-options.ts";
import { erasureOptions, holdOptions, retentionOptions } from "./upkeep-options.ts";

const redisOptions = z.strictObject({
  url: z
    .url({ protocol: /^rediss?$/ })
    .default("redis://127.0.0.1:6379")
    .meta({
      description: "Address of Redis; with a password in it, it belongs in `urlFile` or the environment.",
      secret: "with-password",
    }),
  urlFile: optionalPath("File that holds the address of Redis, readable by its owner alone."),
  keyPrefix: text(
    "consentry",
    "First part of every key; gateways that share a Redis need different ones.",
    /^[a-z][a-z0-9-]{0,31}$/,
  ),
  commandTimeoutMs: milliseconds(100, 5_000, 60_000, "A command without an answer by then has failed."),
});

const keysOptions = z.strictObject({
  dir: path(
    "./data/keys",
    "Directory of the key files: lookup.key, pepper.key, master.key, token.key, receipt.key, queue/<id>.key.",
  ),
  create: flag(
    false,
    "Make a set of keys when the directory is missing or empty. For a private start only: losing keys loses the data.",
  ),
});

const observeOptions = z.strictObject({
  logLevel: choice(["info", "warn", "error", "silent"], "info", "Least severe log line that is written."),
  eventLoopDelayMs: milliseconds(
    10,
    250,
    60_000,
    "Event-loop delay (99th percentile over 5 s) above which the gateway reports itself not ready.",
  ),
  stoppingMs: milliseconds(
    0,
    0,
    60_000,
    "At a stop, how long `/readyz` says `stopping` before the first listener closes: the time a balancer needs to see it.",
  ),
});

export const configSchema = z
  .strictObject({
    redis: redisOptions.prefault({}),
    mqtt: mqttOptions.prefault({}),
    queue: queueOptions.prefault({}),
    consent: consentOptions.prefault({}),
    deidentify: deidentifyOptions.prefault({}),
    places: placeOptions.prefault({}),
    network: networkOptions.prefault({}),
    weather: weatherOptions.prefault({}),
    current: currentOptions.prefault({}),
    properties: propertyOptions,
    dialects: dialectOptions,
    sinks: sinkOptions.prefault({}),
    services: serviceOptions,
    http: httpOptions.prefault({}),
    metrics: metricsOptions.prefault({}),
    tracing: tracingOptions.prefault({}),
    centre: centreOptions.prefault({}),
    console: consoleOptions.prefault({}),
    erasure: erasureOptions.prefault({}),
    hold: holdOptions.prefault({}),
    retention: retentionOptions.prefault({}),
    backup: backupOptions.prefault({}),
    keys: keysOptions.prefault({}),
    observe: observeOptions.prefault({}),
  })
  .check((context) => {
    for (const [path, code] of contradictions(context.value)) {
      context.issues.push({ code: "custom", message: code, input: undefined, path: path.split(".") });
    }
  });

type Parsed = z.output<typeof configSchema>;
type WithToken<Part extends { token?: string | undefined }> = Omit<Part, "token"> & { token: string };

/** The configuration as the gateway runs on it: every option present, every `…File` already read. */
export type Config = Omit<Parsed, "http" | "services"> & {
  http: Omit<Parsed["http"], "approvers"> & { approvers: WithToken<Parsed["http"]["approvers"][number]>[] };
  services: WithToken<Parsed["services"][number]>[];
};

/** What commands may use of it: none serves HTTP, or logs a service in. */
export type CommandConfig = Omit<Config, "http" | "services"> & {
  services: Omit<Config["services"][number], "token">[];
};

/** Rules that span options. The codes are part of the error message, so they are constants. */
function contradictions({
  mqtt,
  queue,
  consent,
  deidentify,
  properties,
  sinks,
  services,
  http,
  metrics,
  tracing,
  erasure,
  retention,
}: Parsed): [string, string][] {
  const { influx, breaker } = sinks;
  const rules: [broken: boolean, path: string, code: string][] = [
    ...contactFaults(consent.contact).map((part): [boolean, string, string] => [
      true,
      `consent.contact.${part}`,
      consent.contact[part] === "" ? "required-for-contact" : "invalid-format",
    ]),
    [influx.timeoutMs >= consent.leaseMs, "sinks.influx.timeoutMs", "must-be-below-consent-lease"],
    [mqtt.maxPayloadBytes >= mqtt.maxPacketBytes, "mqtt.maxPayloadBytes", "must-be-below-max-packet"],
    [mqtt.maxPacketBytes > mqtt.maxHubPacketBytes, "mqtt.maxPacketBytes", "must-not-exceed-hub"],
    [mqtt.maxConnectPacketBytes > mqtt.maxPacketBytes, "mqtt.maxConnectPacketBytes", "must-not-exceed-max-packet"],
    [mqtt.inFlightPerConnection > mqtt.inFlightMessages, "mqtt.inFlightPerConnection", "must-not-exceed-global"],
    [mqtt.maxPayloadBytes > queue.maxBatchBytes, "queue.maxBatchBytes", "must-hold-one-payload"],
    [mqtt.tls.enabled && mqtt.tls.certFile === undefined, "mqtt.tls.certFile", "required-for-tls"],
    [mqtt.tls.enabled && mqtt.tls.keyFile === undefined, "mqtt.tls.keyFile", "required-for-tls"],
    [!(mqtt.tcp.enabled || mqtt.tls.enabled || mqtt.ws.enabled), "mqtt", "no-listener-enabled"],
    [
      deidentify.location.defaultResolution > deidentify.location.finestResolution,
      "deidentify.location.defaultResolution",
      "must-not-exceed-finest",
    ],
    [hasTwins([...TABLE, ...properties].map(({ name }) => name)), "properties", "name-used-twice"],
    [influx.api !== "v2" && influx.database === "", "sinks.influx.database", "required-for-v1-and-v3"],
    [influx.api === "v2" && influx.org === "", "sinks.influx.org", "required-for-v2"],
    [influx.api === "v2" && influx.bucket === "", "sinks.influx.bucket", "required-for-v2"],
    [influx.username !== "" && influx.password === undefined, "sinks.influx.password", "required-with-username"],
    [DAY_MS % sinks.cellActivity.windowMs !== 0, "sinks.cellActivity.windowMs", "must-divide-a-day"],
    [breaker.openMs > breaker.maxOpenMs, "sinks.breaker.openMs", "must-not-exceed-max-open"],
    [erasure.sweepAfterMs <= influx.timeoutMs, "erasure.sweepAfterMs", "must-exceed-influx-timeout"],
    [retention.deviceLocationDays <= deidentify.epochDays, "retention.deviceLocationDays", "must-exceed-epoch"],
    [http.approvers.length === 1, "http.approvers", "needs-two"],
    [hasTwins(http.approvers.map(({ name }) => name)), "http.approvers", "name-used-twice"],
    [
      hasTwins([http.token, ...http.approvers.map(({ token }) => token)].flatMap((token) => token ?? [])),
      "http.approvers",
      "token-used-twice",
    ],
    [
      [http.token, ...http.approvers.map(({ token }) => token)].some((token) => token && token === metrics.token),
      "metrics.token",
      "token-used-twice",
    ],
    [headersOf(tracing.headers) === undefined, "tracing.headers", "not-headers"],
    ...services.map(({ relation, contractRef }, index): [boolean, string, string] => [
      relation === "processor" && contractRef === undefined,
      `services.${index}.contractRef`,
      "required-for-processor",
    ]),
    ...services.flatMap(({ purposes, categories }, index) =>
      categoryBreaches(purposes, categories).map(({ rule }): [boolean, string, string] => [
        true,
        `services.${index}.categories`,
        rule,
      ]),
    ),
    [hasTwins(services.map(({ name }) => name)), "services", "name-used-twice"],
    [hasTwins(services.flatMap(({ token }) => token ?? [])), "services", "token-used-twice"],
  ];
  return rules.filter(([broken]) => broken).map(([, path, code]) => [path, code]);
}

function hasTwins(values: readonly string[]): boolean {
  return new Set(values).size !== values.length;
}
