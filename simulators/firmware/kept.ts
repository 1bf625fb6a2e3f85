/**
 * What is kept of a value that a device says: docs/properties.md as code, as far as simulated firmware goes, and differences in
 * place of totals. Written apart from the gateway's own vocabulary on purpose.
 */

/** A row of `device_status` without its device and its time. */
export type Kept = Readonly<Record<string, number | boolean | string>>;

/** What a scene is told, and what is stored of that: a multiple, or the greatest of these that is reached. */
const STEPS: Readonly<Record<string, readonly [scene: number, stored: number | readonly number[]]>> = {
  temperature: [0.5, 0.5],
  humidity: [1, 5],
  internal_temperature: [1, 5],
  battery: [5, [0, 20]],
  link_quality: [5, [0, 40]],
  rssi: [5, [-130, -75]],
  voltage: [1, 10],
  power_factor: [0.05, 0.25],
};

export function step(property: string, value: number): number {
  const steps = STEPS[property];
  if (steps === undefined) throw new Error(`no steps of ${property}`);
  const [scene, stored] = steps;
  const told = toMultiple(value, scene);
  if (typeof stored === "number") return toMultiple(told, stored);
  return stored.findLast((from) => told >= from) ?? Number.NaN;
}

/** Electric current: one digit of the two that a scene is told, and never finer than 0.2 A. */
export function amperes(value: number): number {
  const told = digits(value, 2);
  return told < 1 ? toMultiple(told, 0.2) : digits(told, 1);
}

/** Electric power: one digit of the two that a scene is told, never finer than 5 W, and never finer than 50 W. */
export function watts(value: number): number {
  const told = value < 100 ? toMultiple(value, 5) : digits(value, 2);
  return told < 100 ? toMultiple(told, 50) : digits(told, 1);
}

/** What is left of a number that was converted from another unit. */
export function sixDigits(value: number): number {
  return digits(value, 6);
}

function digits(value: number, count: number): number {
  return Number(value.toPrecision(count));
}

function toMultiple(value: number, of: number): number {
  return times(Math.round(value / of), of);
}

function times(count: number, of: number): number {
  return Number((count * of).toFixed(2));
}

/** A total without end, and what is kept of it: how many hundredths were added since it was last told. */
export class Meter {
  #total: number;
  #told: number | undefined;

  /** `total` in kilowatt-hours. */
  constructor(total: number) {
    this.#total = total;
  }

  get total(): number {
    return this.#total;
  }

  count(more: number): void {
    this.#total += more;
  }

  /** `value` as it is published, in kilowatt-hours; nothing is kept of the first one, nor of one that adds nothing. */
  tell(value: number): { readonly energy?: number } {
    const hundredths = Math.floor(value * 100 + 1e-7);
    const difference = this.#told === undefined ? 0 : hundredths - this.#told;
    this.#told = hundredths;
    return difference > 0 ? { energy: times(difference, 0.01) } : {};
  }
}

/** As one text, so that rows can be compared: names in order, without what says whose it is and when. */
export function rowText(row: Readonly<Record<string, number | boolean | string | null>>): string {
  return Object.entries(row)
    .filter(([name, value]) => value !== null && name !== "time" && name !== "device")
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(" ");
}
