/**
 * Messages that can be told wherever a part of them turns up. Status and address carry the number of the
 * message; place and model, of which little is left behind, carry the phase of the device.
 */
import { cellToParent, getResolution } from "h3-js";
import { Locations } from "../../src/deidentify/location.ts";
import type { ConfigTree } from "../../tools/stack/scratch-config.ts";

/** Phases of one device that have a model of their own; a device that has used them up is left alone. */
export const MAX_PHASES = 250;

const RESOLUTION = 6;
/** Far enough apart for cells of that resolution, and for a device to have moved for certain. */
const GRID_DEGREES = 0.14;
const GRID_COLUMNS = 400;
const GRID_ROWS = 110;
/** Places are given out square by square, so that those who speak at one time are neighbours and make crowds. */
const SQUARE = 10;
const SOUTHERNMOST = -49.5;
const FIRST_PREFIX = 0x2000_0000;
const MODEL_OF_PHASE = /^round-(\d+)$/;

/** Options of the gateway under which the tales are told. */
export const TELLTALE_OPTIONS: ConfigTree = {
  deidentify: {
    location: { finestResolution: RESOLUTION, defaultResolution: RESOLUTION },
    models: Array.from({ length: MAX_PHASES }, (_, phase) => ({
      match: `R${phase}-*`,
      as: `round-${phase}`,
      outdoor: true,
    })),
  },
  // Of however few people below a cell have spoken in a step.
  weather: { coarsestResolution: 0 },
  // Weather services get it too, as the median of a crowd.
  properties: [{ name: "n", kind: "number", range: "0..1e9", step: 1, weather: 1 }],
};

export interface Stay {
  readonly device: number;
  readonly phase: number;
}

interface Spot {
  readonly lat: number;
  readonly lon: number;
  readonly cell: string;
}

export class Telltale {
  readonly #locations = new Locations({
    finestResolution: RESOLUTION,
    defaultResolution: RESOLUTION,
    densities: [],
    stickiness: 0.15,
    maxDevices: 1,
  });
  readonly #stays = new Map<string, Stay>();
  readonly #spots = new Map<number, Spot>();
  #nextSpot = 0;

  /** Payload of a telemetry message. */
  telemetry(device: number, phase: number, n: number, nowMs: number): string {
    const { lat, lon } = this.#spotOf(device, phase);
    return (
      `{"model":"R${phase}-1","ip":"${addressOf(n)}","location":{"lat":${lat},"lon":${lon}},` +
      `"status":{"n":${n},"power_on":true},"ts":${nowMs},"id":"n${n}"}`
    );
  }

  /** Payload of a message on the status topic. */
  status(n: number, nowMs: number): string {
    return `{"n":${n},"power_on":false,"ts":${nowMs},"id":"n${n}"}`;
  }

  /** The cell that the device tells of in this phase. */
  cellOf(device: number, phase: number): string {
    return this.#spotOf(device, phase).cell;
  }

  /** Who was in this cell, and in which phase. */
  stayIn(cell: string): Stay | undefined {
    return this.#stays.get(cell);
  }

  /** All who were in a cell below this one, each in each phase. */
  staysBelow(cell: string): Stay[] {
    const resolution = getResolution(cell);
    if (resolution > RESOLUTION) return [];
    return [...this.#stays].flatMap(([place, stay]) => (parentOf(place, resolution) === cell ? [stay] : []));
  }

  /** Each phase of a device has a cell that no other phase of any device has. */
  #spotOf(device: number, phase: number): Spot {
    const stay = device * MAX_PHASES + phase;
    const known = this.#spots.get(stay);
    if (known !== undefined) return known;
    for (;;) {
      const point = gridPoint(this.#nextSpot++);
      const { cell } = this.#locations.placeOf(point.lat, point.lon);
      if (this.#stays.has(cell)) continue;
      const spot = { ...point, cell };
      this.#stays.set(cell, { device, phase });
      this.#spots.set(stay, spot);
      return spot;
    }
  }
}

/** Some places have a coarser cell already, by their density. */
function parentOf(cell: string, resolution: number): string {
  return getResolution(cell) < resolution ? cell : cellToParent(cell, resolution);
}

function gridPoint(index: number): Omit<Spot, "cell"> {
  const [square, place] = [Math.floor(index / SQUARE ** 2), index % SQUARE ** 2];
  const across = GRID_COLUMNS / SQUARE;
  const row = Math.floor(square / across) * SQUARE + Math.floor(place / SQUARE);
  if (row >= GRID_ROWS) throw new RangeError("more phases than there are places on the grid");
  const lat = SOUTHERNMOST + row * GRID_DEGREES;
  const lon = -180 + ((square % across) * SQUARE + (place % SQUARE)) * GRID_DEGREES;
  return { lat: Number(lat.toFixed(4)), lon: Number(lon.toFixed(4)) };
}

/** IPv6: the 32 bits that are left of an address hold the number. */
function addressOf(n: number): string {
  const prefix = FIRST_PREFIX + n;
  return `${(prefix >>> 16).toString(16)}:${(prefix & 0xffff).toString(16)}::1`;
}

/** `undefined` when it is no prefix of an address from here. */
export function numberInPrefix(prefix: string): number | undefined {
  const [address = ""] = prefix.split("/");
  const [high = "", low = ""] = address.split(":");
  const value = Number.parseInt(high, 16) * 65_536 + (low === "" ? 0 : Number.parseInt(low, 16)) - FIRST_PREFIX;
  return Number.isInteger(value) ? value : undefined;
}

/** `undefined` when it is no model from here. */
export function phaseOfModel(model: string): number | undefined {
  const match = MODEL_OF_PHASE.exec(model);
  return match === null ? undefined : Number(match[1]);
}
