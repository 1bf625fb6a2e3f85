/** Wires the store: InfluxDB with the circuit breaker for its outages. */
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import type { AnalyticsRecord, PlaceRow } from "../model/deidentified.ts";
import { HOUR_MS } from "../model/durations.ts";
import { GatewayError } from "../model/errors.ts";
import type { Property } from "../model/property.ts";
import { SCHEMA } from "../model/schema.ts";
import type { Sink } from "../model/sink.ts";
import type { Metrics } from "../observe/metrics.ts";
import { CircuitBreaker } from "../platform/circuit-breaker.ts";
import { formerProperties } from "../platform/known-properties.ts";
import { type Part, partOf } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import { requireOurs } from "../platform/schema.ts";
import { InfluxSink } from "../sinks/influx/sink.ts";
import { PatientStart } from "../sinks/patient-start.ts";
import { requireResidency } from "../sinks/residency.ts";
import { storedSchema, writeStoredSchema } from "../sinks/schema-row.ts";
import type { Base } from "./base.ts";

export interface Store {
  readonly sink: Sink;
  /** Writes and asks for these from now on. */
  useProperties(properties: readonly Property[]): void;
  /** The sink, once it has been reached; until then its users are told that it is away. */
  readonly reached: PatientStart;
  readonly breaker: CircuitBreaker;
  /** Definite: the store has every record except the rejected ones. Timed and counted. */
  write(records: readonly AnalyticsRecord[], signal: AbortSignal): Promise<{ readonly rejected: readonly number[] }>;
  /** The same for places. */
  writePlaces(places: readonly PlaceRow[], signal: AbortSignal): Promise<{ readonly rejected: readonly number[] }>;
  /** True while there is nothing to wait for. */
  readonly available: boolean;
  readonly parts: readonly Part[];
}

const START_TIMEOUT_MS = 5_000;
const SCHEMA_ROW_MS = HOUR_MS;

export interface SinkDeps extends Pick<Base, "vocabulary" | "keyspace" | "log"> {
  readonly config: Pick<Config, "sinks" | "queue">;
  readonly redis: Redis;
}

/** The place that chooses the store. Nothing is opened before it is started. */
export function createSink({ config, vocabulary, redis, keyspace, log }: SinkDeps): InfluxSink {
  const maxSockets = config.queue.workerConcurrency + 1;
  // Asked each time: another gateway may have begun with properties that this one does not have.
  const formerFields = () => formerProperties(redis, keyspace, vocabulary.properties);
  const fixed = {
    fields: vocabulary.properties,
    formerFields,
    createDatabase: true,
    startTimeoutMs: START_TIMEOUT_MS,
    maxSockets,
  };
  return new InfluxSink({ ...config.sinks.influx, ...fixed }, log);
}

export function createStore({ config, vocabulary, redis, keyspace, metrics, log }: Base): Store {
  const { influx, residency, breaker: pauses } = config.sinks;
  const sink = createSink({ config, vocabulary, redis: redis.store, keyspace, log });
  const ofOurSchema = {
    name: sink.name,
    start: async (signal: AbortSignal) => {
      await sink.start(signal);
      requireOurs("the store", (await storedSchema(sink, influx.retentionPolicy, signal)) ?? SCHEMA);
      await writeStoredSchema(sink, signal);
    },
    stop: () => sink.stop(),
  };
  const reached = new PatientStart(ofOurSchema, log);
  const breaker = new CircuitBreaker(pauses);
  const available = (): boolean => reached.ready && breaker.state === "closed";
  const writeSchemaRow = async (): Promise<void> => {
    if (available()) await writeStoredSchema(sink, AbortSignal.timeout(influx.timeoutMs));
  };
  const periodic = new Periodic([{ name: "schema row", everyMs: SCHEMA_ROW_MS, run: writeSchemaRow }], log);
  metrics.beforeScrape(() => metrics.gauge("breakerOpen", breaker.state === "closed" ? 0 : 1));

  return {
    sink,
    useProperties: (properties) => sink.useFields(properties),
    reached,
    breaker,
    write: (records, signal) => observed(() => reached.use(() => sink.write(records, signal)), metrics),
    writePlaces: (places, signal) => observed(() => reached.use(() => sink.writePlaces(places, signal)), metrics),
    get available() {
      return available();
    },
    parts: [
      {
        name: "store",
        start: async (signal) => {
          requireResidency([sink], residency);
          await reached.start(signal);
        },
        stop: () => reached.stop(),
      },
      partOf("schema row", periodic),
    ],
  };
}

/** Times a write and counts its failures. */
async function observed<T>(write: () => Promise<T>, metrics: Metrics): Promise<T> {
  const startedAt = performance.now();
  try {
    return await write();
  } catch (error) {
    if (error instanceof GatewayError) metrics.sinkFailed("influx", error.code);
    throw error;
  } finally {
    metrics.sinkWrote("influx", performance.now() - startedAt);
  }
}
