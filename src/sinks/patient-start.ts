/**
 * A store that is away must not keep devices from being acknowledged: a PUBACK needs Redis alone. So the
 * gateway starts without it, goes on trying, and until then every write is told that the store is away.
 * A store that answers and refuses us is another matter, and ends the start.
 */

import { setTimeout as pause } from "node:timers/promises";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import type { Sink } from "../model/sink.ts";
import { faultCode } from "../platform/fault-code.ts";

export interface PatientStartOptions {
  /** After the first refusal, doubled with each further one; after an outage always. Milliseconds. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

const DEFAULT_PAUSES: PatientStartOptions = { firstPauseMs: 200, maxPauseMs: 30_000 };

export class PatientStart {
  readonly #sink: Pick<Sink, "name" | "start" | "stop">;
  readonly #log: Log;
  readonly #pauses: PatientStartOptions;
  readonly #stopping = new AbortController();
  #ready = false;
  #trying: Promise<void> = Promise.resolve();

  constructor(sink: Pick<Sink, "name" | "start" | "stop">, log: Log, pauses = DEFAULT_PAUSES) {
    this.#sink = sink;
    this.#log = log;
    this.#pauses = pauses;
  }

  /** Resolves when the store is there, or when it is clear that it is away. Throws SINK_DENIED, START_CANCELLED. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await this.#sink.start(signal);
      this.#ready = true;
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== "SINK_UNAVAILABLE") throw error;
      this.#log.warn("starting without the store, messages wait in the queue", {
        sink: this.#sink.name,
        code: error.code,
        stage: "store",
      });
      this.#trying = this.#keepTrying();
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#trying;
    await this.#sink.stop();
  }

  /** Runs `write` once the store has been started; SINK_UNAVAILABLE before. */
  async use<T>(write: () => Promise<T>): Promise<T> {
    if (!this.#ready) throw new GatewayError("SINK_UNAVAILABLE", "not started yet");
    return await write();
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** The sink itself waits for a store that is away; one that refuses us answers at once, and so is asked ever less often. */
  async #keepTrying(): Promise<void> {
    const { signal } = this.#stopping;
    const { firstPauseMs, maxPauseMs } = this.#pauses;
    let told = "SINK_UNAVAILABLE";
    for (let refusals = 0; !signal.aborted; ) {
      try {
        await this.#sink.start(signal);
        this.#ready = true;
        return;
      } catch (error) {
        if (signal.aborted) return;
        const code = faultCode(error);
        refusals = code === "SINK_UNAVAILABLE" ? 0 : refusals + 1;
        if (code !== told) this.#tell(code);
        told = code;
      }
      await pause(Math.min(firstPauseMs * 2 ** Math.max(0, refusals - 1), maxPauseMs), undefined, { signal }).catch(
        () => undefined,
      );
    }
  }

  #tell(code: string): void {
    const fields = { sink: this.#sink.name, code, stage: "store" };
    if (code === "SINK_UNAVAILABLE") this.#log.warn("the store is away", fields);
    else this.#log.error("the store refuses us", fields);
  }
}
