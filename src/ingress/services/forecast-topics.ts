/**
 * `weather/<cell>`: what a weather service says of the hours to come. It is answered as soon as that is kept or refused, and never
 * told which devices get it, or whether any does.
 */
import type { ForecastOutcome } from "../../model/outcome.ts";
import type { ServiceConnection } from "./connection.ts";
import { forecastTopic } from "./topics.ts";

export interface ForecastTopicsPorts {
  /** Rejects when Redis is away. */
  readonly take: (cell: string, payload: Buffer) => Promise<ForecastOutcome>;
  readonly counted: (outcome: ForecastOutcome) => void;
}

export interface ForecastMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** Monotonic ms; afterwards its sender has no use for it. */
  readonly expiresAt: number;
}

export class ForecastTopics {
  readonly #ports: ForecastTopicsPorts;

  constructor(ports: ForecastTopicsPorts) {
    this.#ports = ports;
  }

  /** Takes over what is published on a topic of forecasts; false for any other topic. */
  submit(service: ServiceConnection, message: ForecastMessage, done: (outcome: ForecastOutcome) => void): boolean {
    const cell = forecastTopic(message.topic);
    if (cell === undefined) return false;
    this.#take(service, cell, message)
      .catch((): ForecastOutcome => "unavailable")
      .then((outcome) => {
        this.#ports.counted(outcome);
        done(outcome);
      });
    return true;
  }

  async #take(service: ServiceConnection, cell: string, message: ForecastMessage): Promise<ForecastOutcome> {
    if (!service.mayPublish()) return "over-rate";
    if (!service.purposes.has("weather")) return "acl-denied";
    const outcome = await this.#ports.take(cell, message.payload);
    return outcome === "delivered" && performance.now() > message.expiresAt ? "stale" : outcome;
  }
}
