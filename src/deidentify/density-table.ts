/**
 * How coarse places must be where: cells in which so many people live that they may be told as they are. A place is told in
 * the finest of them that it lies in; one that lies in none gets the configured default, the coarsest there is. So what the
 * table does not know is told more coarsely, never more finely.
 */
import { createHash } from "node:crypto";
import { GatewayError } from "../model/errors.ts";
import { checkDensities, type DensityRow } from "./location.ts";

const OPTION = "deidentify.location.densityFile";
/** An H3 index holds 15 digits of three bits each; those finer than its resolution are all ones. */
const DIGIT_BITS = 3n;
const DIGITS = 15n;

/** The file as the gateway ships it: cells that may be told as they are, one resolution after the other, packed. */
export interface PackedTable {
  /** Base64 of, for each resolution: the resolution, how many cells, and the difference of each to the one before; all LEB128. */
  readonly cells: string;
  /** Of the bytes before Base64, as hex. */
  readonly sha256: string;
}

/**
 * Reads a table: the packed one, or a JSON list of `{ "cell": <H3 index>, "resolution": 0–6 }`: inside that cell places are told
 * at that resolution. Throws CONFIG_INVALID naming the first bad row.
 */
export function parseDensityTable(json: string): DensityRow[] {
  let table: unknown;
  try {
    table = JSON.parse(json);
  } catch {
    throw unusable("not-json");
  }
  const rows = Array.isArray(table) ? table.map(toRow) : unpack(table);
  const [problem] = checkDensities(rows);
  if (problem !== undefined) throw unusable(`row ${problem}`);
  return rows;
}

/** Cells of H3, each to be told at its own resolution; `byResolution[r]` holds those of resolution `r`. */
export function packCells(byResolution: readonly (readonly string[])[]): PackedTable {
  const bytes: number[] = [];
  for (const [resolution, cells] of byResolution.entries()) {
    if (cells.length === 0) continue;
    const indexes = cells.map((cell) => BigInt(`0x${cell}`) >> unusedBits(resolution));
    indexes.sort((a, b) => (a < b ? -1 : 1));
    writeNumber(bytes, BigInt(resolution));
    writeNumber(bytes, BigInt(indexes.length));
    for (const [at, index] of indexes.entries()) writeNumber(bytes, index - (indexes[at - 1] ?? 0n));
  }
  const packed = Buffer.from(bytes);
  return { cells: packed.toString("base64"), sha256: sha256(packed) };
}

function unpack(table: unknown): DensityRow[] {
  const { cells, sha256: expected } = (table ?? {}) as Partial<Record<keyof PackedTable, unknown>>;
  if (typeof cells !== "string" || typeof expected !== "string") throw unusable("not-a-table");
  const bytes = Buffer.from(cells, "base64");
  if (sha256(bytes) !== expected) throw unusable("altered");
  const rows: DensityRow[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = (): bigint => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at];
        if (byte === undefined) throw unusable("cut-short");
        at += 1;
        value |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    const resolution = Number(next());
    const unused = unusedBits(resolution);
    let index = 0n;
    for (let left = next(); left > 0n; left -= 1n) {
      index += next();
      rows.push({ cell: ((index << unused) | ((1n << unused) - 1n)).toString(16), resolution });
    }
  }
  return rows;
}

function unusedBits(resolution: number): bigint {
  if (!(resolution >= 0 && resolution <= Number(DIGITS))) throw unusable("resolution");
  return (DIGITS - BigInt(resolution)) * DIGIT_BITS;
}

function writeNumber(bytes: number[], value: bigint): void {
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function toRow(row: unknown, index: number): DensityRow {
  if (typeof row === "object" && row !== null && "cell" in row && "resolution" in row) {
    const { cell, resolution } = row;
    if (typeof cell === "string" && typeof resolution === "number") return { cell, resolution };
  }
  throw unusable(`row ${index}: needs cell and resolution`);
}

function unusable(reason: string): GatewayError {
  return new GatewayError("CONFIG_INVALID", `${OPTION}: ${reason}`);
}
