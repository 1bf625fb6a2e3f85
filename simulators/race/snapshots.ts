/** What was stored of a device at the moment something was withdrawn: this much may stay, and nothing may join it. */
import type { StoredView } from "./store-view.ts";

interface Snapshot {
  /** Number of the message times two, plus one for a row with a model. */
  readonly rows: ReadonlySet<number>;
  readonly cells: ReadonlySet<string>;
}

export class Snapshots {
  readonly #byPhase = new Map<string, Snapshot>();

  /** `phase` is the one that began with the withdrawal. */
  add(device: number, phase: number, view: StoredView, isOwn: (name: string) => boolean): void {
    this.#byPhase.set(`${device}/${phase}`, {
      rows: new Set(
        view.statuses.filter((row) => isOwn(row.device)).map((row) => rowKey(row.n, row.model !== undefined)),
      ),
      cells: new Set(view.locations.filter((row) => isOwn(row.device)).map(({ cell }) => cell)),
    });
  }

  /** Whether the message had a row then; with a model, if that is asked. */
  hadRow(device: number, phase: number, n: number, withModel: boolean): boolean {
    const rows = this.#byPhase.get(`${device}/${phase}`)?.rows;
    if (rows === undefined) return false;
    return rows.has(rowKey(n, true)) || (!withModel && rows.has(rowKey(n, false)));
  }

  hadCell(device: number, phase: number, cell: string): boolean {
    return this.#byPhase.get(`${device}/${phase}`)?.cells.has(cell) ?? false;
  }
}

function rowKey(n: number, withModel: boolean): number {
  return n * 2 + Number(withModel);
}
