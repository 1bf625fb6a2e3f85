/**
 * How busy a cell is, without any device: counts per cell and time window, and only of cells where a
 * crowd was active. Which devices were counted is known in memory until the window ends, and nowhere else. They are
 * counted by device key: a device with a new pseudonym within a window would else pass for a crowd.
 */
import { randomInt } from "node:crypto";
import type { CellId, DeviceKey } from "../model/ids.ts";
import type { CellCount } from "../model/sink.ts";

export interface CellActivityOptions {
  /** Length of a window. Milliseconds. */
  readonly windowMs: number;
  /** A cell with fewer devices in a window is not told at all. */
  readonly minDevices: number;
  /** Most pairs of cell and device remembered at once; default 500,000. What goes over is not counted. */
  readonly maxMembers?: number;
  /**
   * Nanoseconds into its window at which a count is timed, below a millisecond; random for each run. Two runs within a
   * window, or two processes, then leave two counts that add up instead of one that overwrites the other.
   */
  readonly offsetNs?: number;
}

interface Cell {
  readonly devices: Set<DeviceKey>;
  messages: number;
}

const DEFAULT_MAX_MEMBERS = 500_000;
const NS_PER_MS = 1_000_000;

export class CellActivity {
  readonly #options: CellActivityOptions;
  readonly #maxMembers: number;
  readonly #offsetNs: number;
  /** Window start in Unix ms → its cells. Rarely more than two. */
  readonly #windows = new Map<number, Map<CellId, Cell>>();
  #members = 0;

  constructor(options: CellActivityOptions) {
    this.#options = options;
    this.#maxMembers = options.maxMembers ?? DEFAULT_MAX_MEMBERS;
    this.#offsetNs = options.offsetNs ?? randomInt(NS_PER_MS);
  }

  /** Counts messages that told a place which was stored, into the window of `nowMs` (Unix ms); once for each message. */
  add(places: readonly (readonly [DeviceKey, CellId])[], nowMs: number): void {
    if (places.length === 0) return;
    const window = this.#windowAt(nowMs);
    for (const [device, id] of places) {
      const known = window.get(id);
      if (known?.devices.has(device) === true) {
        known.messages += 1;
        continue;
      }
      // Counting too few devices only withholds a cell; counting their messages without them would mislead.
      if (this.#members >= this.#maxMembers) continue;
      this.#members += 1;
      const cell = known ?? newCell(window, id);
      cell.devices.add(device);
      cell.messages += 1;
    }
  }

  /** Counts of the windows that ended before `nowMs`, or for all when `final`; they are forgotten with this call. */
  take(nowMs: number, final = false): CellCount[] {
    const counts: CellCount[] = [];
    for (const [start, cells] of this.#windows) {
      if (!final && start + this.#options.windowMs > nowMs) continue;
      this.#windows.delete(start);
      for (const [cell, { devices, messages }] of cells) {
        this.#members -= devices.size;
        if (devices.size < this.#options.minDevices) continue;
        const timestampNs = `${start}${String(NS_PER_MS + this.#offsetNs).slice(1)}`;
        counts.push({ cell, devices: devices.size, messages, timestampNs });
      }
    }
    return counts;
  }

  #windowAt(nowMs: number): Map<CellId, Cell> {
    const start = nowMs - (nowMs % this.#options.windowMs);
    let window = this.#windows.get(start);
    if (window === undefined) {
      window = new Map();
      this.#windows.set(start, window);
    }
    return window;
  }
}

function newCell(window: Map<CellId, Cell>, id: CellId): Cell {
  const cell: Cell = { devices: new Set(), messages: 0 };
  window.set(id, cell);
  return cell;
}
