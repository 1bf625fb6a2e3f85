/**
 * What is kept of a value that a device says: docs/properties.md as code, as far as simulated firmware goes, and differences in
 * place of totals. Written apart from the gateway's own vocabulary on purpose.
 */

/** A row of `device_status` without its device and its time. */
export type Kept = Readonly<Record<string, number | boolean | string>>;

const STEPS = {
  temperature: 0.1,
  humidity: 1,
  internal_temperature: 1,
  battery: 5,
  link_quality: 5,
  rssi: 5,
  voltage: 1,
  power_factor: 0.05,
} as const;

export function step(property: keyof typeof STEPS, value: number): number {
  return times(Math.round(value / STEPS[property]), STEPS[property]);
}

/** Electric current, of which two digits are kept. */
export function twoDigits(value: number): number {
  return Number(value.toPrecision(2));
}

/** Electric power: two digits, and never finer than 5 W. */
export function watts(value: number): number {
  return value < 100 ? times(Math.round(value / 5), 5) : twoDigits(value);
}

/** What is left of a number that was converted from another unit. */
export function sixDigits(value: number): number {
  return Number(value.toPrecision(6));
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
