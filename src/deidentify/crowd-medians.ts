/**
 * The weather of a crowd: for each cell and property the median over at least k subjects, one value each. Values of a cell with
 * fewer go to its parent, together with those of its neighbours that have too few as well, and so on up to the coarsest
 * resolution; there they are dropped. No value is in two cells, so no cell can be subtracted from another. Pure.
 */
import { cellToParent, getResolution } from "h3-js";
import type { CellMedians, SubjectReading } from "../model/crowd.ts";
import type { CellId, SubjectTag } from "../model/ids.ts";
import type { Property } from "../model/property.ts";
import { type Round, roundTo } from "../vocabulary/rounding.ts";

export interface CrowdMediansOptions {
  readonly properties: readonly Pick<Property, "name" | "weatherStep">[];
  /** 0 to 6; values are not taken further up than this. */
  readonly coarsestResolution: number;
}

interface Value {
  readonly value: number;
  readonly at: number;
}

type Values = Map<SubjectTag, Value>;

interface Medians {
  readonly cell: CellId;
  readonly status: Record<string, number>;
  readonly subjects: Set<SubjectTag>;
}

const FINEST_RESOLUTION = 6;

export class CrowdMedians {
  #rounds: ReadonlyMap<string, Round>;
  readonly #coarsest: number;

  constructor({ properties, coarsestResolution }: CrowdMediansOptions) {
    this.#rounds = roundsOf(properties);
    this.#coarsest = coarsestResolution;
  }

  /** From the next step on. */
  useProperties(properties: CrowdMediansOptions["properties"]): void {
    this.#rounds = roundsOf(properties);
  }

  /** The cell within which the values of this one stay. */
  areaOf(cell: CellId): CellId {
    return getResolution(cell) <= this.#coarsest ? cell : (cellToParent(cell, this.#coarsest) as CellId);
  }

  /** `leastOf`: how many subjects a cell needs. */
  of(readings: readonly SubjectReading[], leastOf: (cell: CellId) => number): CellMedians[] {
    const told = new Map<CellId, Medians>();
    for (const [property, round] of this.#rounds) {
      const cells = cellsOf(readings, property);
      for (let resolution = FINEST_RESOLUTION; resolution >= 0; resolution -= 1) {
        for (const [cell, values] of cells[resolution] ?? []) {
          if (values.size >= leastOf(cell)) tell(told, cell, property, round(medianOf(values)), values);
          else if (resolution > this.#coarsest) moveUp(cells, cell, values);
        }
      }
    }
    return [...told.values()];
  }
}

function roundsOf(properties: CrowdMediansOptions["properties"]): ReadonlyMap<string, Round> {
  const told = properties.filter(({ weatherStep }) => weatherStep !== undefined);
  return new Map(told.map(({ name, weatherStep }) => [name, roundTo(weatherStep)]));
}

/** By resolution. */
function cellsOf(readings: readonly SubjectReading[], property: string): Map<CellId, Values>[] {
  const cells = Array.from({ length: FINEST_RESOLUTION + 1 }, () => new Map<CellId, Values>());
  for (const { cell, status, subject, at } of readings) {
    const value = status[property];
    if (value !== undefined) put(cells, cell, subject, { value, at });
  }
  return cells;
}

function moveUp(cells: Map<CellId, Values>[], cell: CellId, values: Values): void {
  const parent = cellToParent(cell, getResolution(cell) - 1) as CellId;
  for (const [subject, value] of values) put(cells, parent, subject, value);
}

function put(cells: readonly Map<CellId, Values>[], cell: CellId, subject: SubjectTag, value: Value): void {
  const level = cells[getResolution(cell)];
  if (level === undefined) return;
  const values: Values = level.get(cell) ?? new Map();
  level.set(cell, values);
  const known = values.get(subject);
  if (known === undefined || known.at <= value.at) values.set(subject, value);
}

function tell(told: Map<CellId, Medians>, cell: CellId, property: string, median: number, values: Values): void {
  const medians = told.get(cell) ?? { cell, status: {}, subjects: new Set() };
  told.set(cell, medians);
  medians.status[property] = median;
  for (const subject of values.keys()) medians.subjects.add(subject);
}

/** The mean of the two in the middle, where there are two. */
function medianOf(values: Values): number {
  const sorted = [...values.values()].map(({ value }) => value).sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[(sorted.length >> 1) - 1] ?? upper)) / 2;
}
