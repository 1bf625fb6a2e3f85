/** What is done with a forecast that a weather service hands in. Which devices get it, and whether any does, has no part in the answer. */
import type { ForecastOutcome } from "../model/outcome.ts";
import { forecastCell } from "./cells.ts";
import { readForecast } from "./forecast.ts";
import type { KeptForecasts } from "./kept-forecasts.ts";

export class ForecastInbox {
  readonly #kept: Pick<KeptForecasts, "keep">;

  constructor(kept: Pick<KeptForecasts, "keep">) {
    this.#kept = kept;
  }

  /** `text`: the cell as the service wrote it. Throws REDIS_UNAVAILABLE. */
  async take(text: string, payload: Buffer): Promise<ForecastOutcome> {
    const forecast = readForecast(payload);
    if (typeof forecast === "string") return forecast;
    const cell = forecastCell(text);
    return cell === undefined ? "unknown-cell" : await this.#kept.keep(cell, forecast);
  }
}
