/** The weather service: for each cell that is told it publishes a forecast, once in a step. */
import { isValidCell } from "h3-js";
import { BoundedMap } from "./bounded-map.ts";
import { read, WeatherMessage } from "./messages.ts";
import type { Send, Service } from "./service.ts";
import { forecast, SYNTHETIC } from "./weather-model.ts";

const MAX_CELLS = 20_000;
/** In the next step there is a newer one. */
const EXPIRES_S = 120;

export class WeatherService implements Service {
  readonly purpose = "weather";
  readonly alsoHears = [];
  readonly about = `the model is ${SYNTHETIC}`;
  readonly #hours: number;
  /** Cell → the step that its last forecast was made of. */
  readonly #steps = new BoundedMap<string, number>(MAX_CELLS);
  #forecasts = 0;
  #repeated = 0;

  constructor(hours: number) {
    this.#hours = hours;
  }

  heard(topic: string, payload: Buffer, send: Send): boolean {
    const message = read(WeatherMessage, payload);
    if (message === undefined || topic !== `processed/weather/${message.cell}` || !isValidCell(message.cell))
      return false;
    const { cell, at, status } = message;
    if (at <= (this.#steps.get(cell) ?? -1)) {
      this.#repeated += 1;
      return true;
    }
    this.#steps.set(cell, at);
    void send(`weather/${cell}`, forecast(cell, at, status, this.#hours), EXPIRES_S).then((sent) => {
      if (sent) this.#forecasts += 1;
    });
    return true;
  }

  /** Cells are no names of anyone: they have no end. */
  tick(): void {}
  forget(): void {}

  counts() {
    return { model: SYNTHETIC, cells: this.#steps.size, forecasts: this.#forecasts, repeated: this.#repeated };
  }
}
