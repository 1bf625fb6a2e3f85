/**
 * The weather over the simulated country: a climate by latitude, fronts of some hundred kilometres that pass within days,
 * the course of the day by the sun, and what sets one garden apart from the next.
 */
import type { Random } from "../../simulators/random.ts";
import type { Point } from "./places.ts";

const DAY_MS = 86_400_000;
const WAVES = 24;

interface Wave {
  readonly north: number;
  readonly east: number;
  readonly perDay: number;
  readonly phase: number;
}

export class Climate {
  readonly #waves: readonly Wave[];

  constructor(random: Random) {
    // Lengths of 300 to 1,200 km, and one to six days until the next crest.
    this.#waves = Array.from({ length: WAVES }, () => {
      const length = random.between(3, 12);
      const direction = random.between(0, 2 * Math.PI);
      return {
        north: Math.cos(direction) / length,
        east: Math.sin(direction) / length,
        perDay: 1 / random.between(1, 6),
        phase: random.next(),
      };
    });
  }

  /** °C in the open. */
  temperature({ lat, lon }: Point, atMs: number): number {
    const solarHour = (((atMs / DAY_MS) * 24 + lon / 15) % 24) - 15;
    const course = 5 * Math.cos((solarHour / 24) * 2 * Math.PI);
    return 31 - Math.max(0, Math.abs(lat) - 15) * 0.6 + course + 3 * this.#fronts({ lat, lon }, atMs);
  }

  /** Per cent. */
  humidity(place: Point, atMs: number): number {
    return Math.max(10, Math.min(100, 90 - (this.temperature(place, atMs) - 18) * 2.2));
  }

  /** Of standard deviation 1. */
  #fronts({ lat, lon }: Point, atMs: number): number {
    const sum = this.#waves.reduce(
      (total, { north, east, perDay, phase }) =>
        total + Math.sin(2 * Math.PI * (lat * north + lon * east + (atMs / DAY_MS) * perDay + phase)),
      0,
    );
    return sum / Math.sqrt(WAVES / 2);
  }
}
