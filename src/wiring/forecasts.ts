/** Wires the weather loop: of which cells services were told, what they answer for them, and the devices below that get it. */
import { ForecastDelivery } from "../forecasts/delivery.ts";
import { ForecastInbox } from "../forecasts/inbox.ts";
import { KeptForecasts } from "../forecasts/kept-forecasts.ts";
import { ToldCells } from "../forecasts/told-cells.ts";
import type { CheckConsent } from "../model/consent.ts";
import type { PlacedDevice } from "../model/forecast.ts";
import type { Part } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import type { Base } from "./base.ts";
import type { Consent } from "./consent.ts";

export interface ForecastsDeps {
  readonly leases: Pick<Consent["leases"], "acquire">;
  readonly checkConsent: CheckConsent;
  /** Of this gateway. */
  readonly placed: () => Iterable<PlacedDevice>;
}

export interface Forecasts {
  readonly told: ToldCells;
  readonly inbox: ForecastInbox;
  readonly delivery: ForecastDelivery;
  /** Start after the broker. */
  readonly part: Part;
}

/** A forecast is for hours: that it comes by the clock, and not by its arrival, keeps its sender from seeing who gets it. */
const TURN_MS = 1_000;

export function createForecasts({ redis, keyspace, log }: Base, deps: ForecastsDeps): Forecasts {
  const kept = new KeptForecasts(redis.store, keyspace);
  const delivery = new ForecastDelivery({
    kept,
    placed: deps.placed,
    leases: deps.leases,
    checkConsent: deps.checkConsent,
  });
  let running: Promise<void> = Promise.resolve();
  const run = (): Promise<void> => {
    running = delivery.turn();
    return running;
  };
  const periodic = new Periodic([{ name: "forecasts", everyMs: TURN_MS, run }], log);
  return {
    told: new ToldCells(redis.store, keyspace),
    inbox: new ForecastInbox(kept),
    delivery,
    part: {
      name: "forecasts",
      start: () => periodic.start(),
      stop: async () => {
        periodic.stop();
        await running.catch(() => undefined);
      },
    },
  };
}
