/**
 * The weather service: for each cell that is told it publishes a forecast, once in a step. Where it is asked to, also for all cells of a
 * coarse resolution, once an hour, so that homes of which no crowd is told get one.
 */
import { cellToChildren, getRes0Cells, isValidCell } from "h3-js";
import { BoundedMap } from "./bounded-map.ts";
import { read, WeatherMessage } from "./messages.ts";
import type { Listening, Send, Service } from "./service.ts";
import { forecast, SYNTHETIC } from "./weather-model.ts";

const MAX_CELLS = 20_000;
/** In the next step there is a newer one. */
const EXPIRES_S = 120;
/** Of the coarse cells with one look, so that told cells do not wait for them. */
const MOST_COARSE = 50;
const HOUR_MS = 3_600_000;

export interface WeatherOptions {
  readonly hours: number;
  /** Resolution of the cells that are forecast without being told. */
  readonly coarse?: number | undefined;
}

export class WeatherService implements Service {
  readonly purpose = "weather";
  readonly alsoHears = [];
  readonly about = `the model is ${SYNTHETIC}`;
  readonly #options: WeatherOptions;
  /** Cell → the step that its last forecast was made of. */
  readonly #steps = new BoundedMap<string, number>(MAX_CELLS);
  /** Coarse cells that have no forecast of this hour yet. */
  #due: string[] = [];
  #hour = 0;
  #forecasts = 0;
  #coarse = 0;
  #repeated = 0;

  constructor(options: WeatherOptions) {
    this.#options = options;
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
    void send(`weather/${cell}`, forecast(cell, at, status, this.#options.hours), EXPIRES_S).then((sent) => {
      if (sent) this.#forecasts += 1;
    });
    return true;
  }

  tick(now: number, { send, since }: Listening): void {
    const { coarse, hours } = this.#options;
    if (coarse === undefined || since === undefined) return;
    const hour = now - (now % HOUR_MS);
    if (hour !== this.#hour) this.#due = getRes0Cells().flatMap((cell) => cellToChildren(cell, coarse));
    this.#hour = hour;
    for (const cell of this.#due.splice(0, MOST_COARSE))
      void send(`weather/${cell}`, forecast(cell, now, {}, hours), EXPIRES_S).then((sent) => {
        if (sent) this.#coarse += 1;
        else this.#due.push(cell);
      });
  }

  /** Cells are no names of anyone: they have no end. */
  forget(): void {}

  counts() {
    return {
      model: SYNTHETIC,
      cells: this.#steps.size,
      forecasts: this.#forecasts,
      coarse: this.#coarse,
      repeated: this.#repeated,
    };
  }
}
