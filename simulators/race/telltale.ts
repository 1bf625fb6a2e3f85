/**
 * Messages that can be told wherever a part of them turns up. Status and address carry the number of the
 * message; place and model, of which little is left behind, carry the phase of the device.
 */
import { cellToChildren, cellToLatLng, cellToParent, getRes0Cells } from "h3-js";
import type { ConfigTree } from "../../tools/stack/scratch-config.ts";
import { MIDDLE_RANGE, middleValue } from "./middle.ts";

/** Phases of one device that have a model of their own; a device that has used them up is left alone. */
export const MAX_PHASES = 250;

const RESOLUTION = 6;
/** So many devices share an area, in which they make crowds: of fifteen people, so that eight are left whom weather may be told of. */
const NEIGHBOURS = 30;
/** An area is a cell of this resolution; its cells of the finest one are given to its devices, phase by phase. */
const AREA_RESOLUTION = 3;
/** Mostly sea: far from the places whose density makes a cell coarser. */
const AREA_LATITUDES = { south: -50, north: -35 };
const FIRST_PREFIX = 0x2000_0000;
const MODEL_OF_PHASE = /^round-(\d+)$/;

/** Options of the gateway under which the tales are told. */
export const TELLTALE_OPTIONS: ConfigTree = {
  deidentify: {
    // Every device stands in the open, and is known to scenes by its number.
    weatherInScenes: true,
    location: { finestResolution: RESOLUTION, defaultResolution: RESOLUTION },
    models: Array.from({ length: MAX_PHASES }, (_, phase) => ({
      match: `R${phase}-*`,
      as: `round-${phase}`,
      outdoor: true,
    })),
  },
  // Of however few people below a cell have spoken in a step.
  weather: { coarsestResolution: 0 },
  properties: [
    { name: "n", kind: "number", range: "0..1e9", step: 1 },
    // For weather services, who get the median of a crowd: it shows whose value is in the middle.
    { name: "w", kind: "number", range: MIDDLE_RANGE, step: 1, weather: 1 },
  ],
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
  readonly #stays = new Map<string, Stay>();
  readonly #spots = new Map<number, Spot>();
  /** Found once for each stay: a judge asks for every packet of weather. */
  readonly #below = new Map<string, Stay[]>();
  /** What is left of the areas, and of the cells of each neighbourhood's present one. */
  readonly #areas = areas();
  readonly #free = new Map<number, string[]>();

  /** Payload of a telemetry message. `middle`: it may soon be one that must not be used, and would be seen in the middle of its crowd. */
  telemetry(device: number, phase: number, n: number, nowMs: number, middle = false): string {
    const { lat, lon } = this.#spotOf(device, phase);
    const w = middleValue(n, middle ? "middle" : sideOf(device));
    return (
      `{"model":"R${phase}-1","ip":"${addressOf(n)}","location":{"lat":${lat},"lon":${lon}},` +
      `"status":{"n":${n},"w":${w},"power_on":true},"ts":${nowMs},"id":"n${n}"}`
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
  staysBelow(cell: string): readonly Stay[] {
    return this.#below.get(cell) ?? [];
  }

  /** Each phase of a device has a cell that no other phase of any device has. */
  #spotOf(device: number, phase: number): Spot {
    const stay = device * MAX_PHASES + phase;
    const known = this.#spots.get(stay);
    if (known !== undefined) return known;
    const cell = this.#freeCell(Math.floor(device / NEIGHBOURS));
    const [lat, lon] = cellToLatLng(cell).map((degrees) => Number(degrees.toFixed(4))) as [number, number];
    const spot = { lat, lon, cell };
    this.#stays.set(cell, { device, phase });
    for (let resolution = 0; resolution <= RESOLUTION; resolution += 1) {
      const parent = cellToParent(cell, resolution);
      const below = this.#below.get(parent) ?? [];
      this.#below.set(parent, below);
      below.push({ device, phase });
    }
    this.#spots.set(stay, spot);
    return spot;
  }

  #freeCell(neighbourhood: number): string {
    const cell = this.#free.get(neighbourhood)?.pop();
    if (cell !== undefined) return cell;
    const area = this.#areas.pop();
    if (area === undefined) throw new RangeError("more phases than there are places for them");
    this.#free.set(neighbourhood, cellToChildren(area, RESOLUTION));
    return this.#freeCell(neighbourhood);
  }
}

/** Of neighbours on either gateway half are on either side. */
function sideOf(device: number): "low" | "high" {
  return (device >> 1) % 2 === 0 ? "low" : "high";
}

function areas(): string[] {
  const { south, north } = AREA_LATITUDES;
  return getRes0Cells()
    .flatMap((cell) => cellToChildren(cell, AREA_RESOLUTION))
    .filter((cell) => {
      const [lat] = cellToLatLng(cell);
      return lat > south && lat < north;
    });
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
