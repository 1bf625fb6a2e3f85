/**
 * A store that is away must not keep devices from being acknowledged: a PUBACK needs Redis alone. So the
 * gateway starts without it, goes on trying, and until then every write is told that the store is away.
 * A store that answers and refuses us is another matter, and ends the start.
 */
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";

export interface StartableSink {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export class PatientStart {
  readonly #sink: StartableSink;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #ready = false;
  #trying: Promise<void> = Promise.resolve();

  constructor(sink: StartableSink, log: Log) {
    this.#sink = sink;
    this.#log = log;
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

  async #keepTrying(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#sink.start(this.#stopping.signal);
        this.#ready = true;
        return;
      } catch (error) {
        const code = error instanceof GatewayError ? error.code : "FAULT";
        if (code !== "SINK_UNAVAILABLE" && code !== "START_CANCELLED")
          this.#log.error("the store refuses us", { sink: this.#sink.name, code });
      }
    }
  }
}
