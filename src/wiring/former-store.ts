/** Wires the store as an upgrade needs it: what number it has, and the removal of what an older version has stored. */
import type { Config } from "../config/schema.ts";
import { GatewayError } from "../model/errors.ts";
import type { Pseudonym } from "../model/ids.ts";
import type { Log } from "../model/log.ts";
import { SCHEMA } from "../model/schema.ts";
import type { DeviceMeasurement } from "../model/sink.ts";
import { InfluxSink } from "../sinks/influx/sink.ts";
import { dropAll, dropStatement, formerMeasurements, storedSchema, writeStoredSchema } from "../sinks/schema-row.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";

export interface FormerRows {
  /** `names-left`: the rows went, and names and types of their fields stay in the store's files for as long as those. */
  readonly outcome: "deleted" | "names-left" | "counted" | "none" | "unsupported";
  /** By their commonest field; `undefined` where the store does not let us look, or counting would cost more than it tells. */
  readonly count: number | undefined;
  /** Names whose rows stay. */
  readonly held: number;
}

const START_TIMEOUT_MS = 10_000;
/** InfluxDB 1 takes seconds over a deletion, InfluxDB 2 up to minutes. */
const TIMEOUT_MS = 300_000;
/** Later than every row: a clock may have been ahead when it was written. */
const AHEAD_MS = 365 * 86_400_000;
/** Beyond it the condition would become unreasonable for the store. */
const MAX_HELD = 20_000;

export class FormerStore {
  readonly #options: Config["sinks"]["influx"];
  readonly #sink: InfluxSink;
  #schema = SCHEMA;

  constructor({ sinks: { influx }, properties }: Pick<Config, "sinks" | "properties">, log: Log) {
    this.#options = { ...influx, timeoutMs: TIMEOUT_MS };
    const fields = new Vocabulary(properties).properties;
    // An older version wrote down none, and its names may be a person's words.
    const fixed = { fields, formerFields: async () => [], createDatabase: true, startTimeoutMs: START_TIMEOUT_MS };
    this.#sink = new InfluxSink({ ...this.#options, ...fixed }, log);
  }

  /** Throws SINK_UNAVAILABLE, SINK_DENIED. */
  async start(): Promise<void> {
    const patience = AbortSignal.timeout(2 * START_TIMEOUT_MS);
    await this.#sink.start(patience);
    this.#sink.retention.start();
    this.#schema = (await storedSchema(this.#sink, this.#options.retentionPolicy, patience)) ?? SCHEMA;
  }

  async stop(): Promise<void> {
    this.#sink.retention.stop();
    await this.#sink.stop();
  }

  /** Of an empty store it is ours. */
  get schema(): number {
    return this.#schema;
  }

  /** Also writes our number. Throws UPGRADE_REFUSED, SINK_UNAVAILABLE, SINK_DENIED: to be called again then. */
  async clear(held: readonly Pseudonym[], dryRun: boolean): Promise<FormerRows> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    if (this.#schema === SCHEMA) {
      if (!dryRun) await writeStoredSchema(this.#sink, signal);
      return { outcome: "none", count: undefined, held: 0 };
    }
    if (held.length > MAX_HELD) throw new GatewayError("UPGRADE_REFUSED", "too many names are under a legal hold");
    const beforeMs = Date.now() + AHEAD_MS;
    const measurements = formerMeasurements(this.#schema);
    const count = await this.#sink.retention
      .count({ measurement: measurements[0] ?? "device_location", beforeMs, except: held }, signal)
      .catch(() => undefined);
    if (dryRun) return { outcome: "counted", count, held: held.length };
    const outcome = await this.#delete(measurements, held, beforeMs, signal);
    await writeStoredSchema(this.#sink, signal);
    return { outcome, count, held: held.length };
  }

  async #delete(
    measurements: readonly DeviceMeasurement[],
    held: readonly Pseudonym[],
    beforeMs: number,
    signal: AbortSignal,
  ): Promise<"deleted" | "names-left" | "unsupported"> {
    if (this.#options.api === "v1") {
      if (held.length === 0 && (await this.#sink.query(dropAll(measurements), signal)) !== undefined) return "deleted";
      if ((await this.#sink.query([dropStatement(measurements, held)], signal)) !== undefined) return "names-left";
      throw new GatewayError("SINK_DENIED", "delete");
    }
    for (const measurement of measurements) {
      const aging = await this.#sink.retention.remove({ measurement, beforeMs, except: held }, signal);
      if (aging === "unsupported") return aging;
      if (aging === "postponed")
        throw new GatewayError("UPGRADE_REFUSED", "the store has too many fields to spare rows under a legal hold");
    }
    return "deleted";
  }
}
