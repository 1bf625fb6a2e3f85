/**
 * The hash chain of the audit log, pure. Each line carries a MAC and the hash of the line before; a seal under the same
 * key states where the log begins and ends, so that truncation is detected too.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import {
  type AuditAct,
  type AuditHead,
  type AuditProblem,
  type AuditRecord,
  type AuditRepair,
  auditRecord,
} from "../../model/audit.ts";

/** Extent of the log: it contains the lines `first` to `next - 1`. */
export interface AuditState {
  readonly first: number;
  /** Hash of the line before `first`. */
  readonly base: string;
  readonly next: number;
  /** Hash of the last line, or `base` when there is none. */
  readonly head: string;
  /**
   * Unix ms of the last repair, absent before the first. It only increases, so an earlier state cannot pass for a later
   * one.
   */
  readonly repaired?: number | undefined;
}

export interface Breach {
  readonly index: number;
  readonly problem: AuditProblem;
}

const MAC_LENGTH = 43;
const GENESIS = hashLine("consentry audit log 1");
export const EMPTY_LOG: AuditState = { first: 0, base: GENESIS, next: 0, head: GENESIS };

/** The key of the log, derived from the lookup key: a copy of Redis alone does not allow writing to the log. */
export function auditKey(lookupKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", lookupKey, "", "consentry audit log 1", 32));
}

/** SHA-256, base64url. */
export function hashLine(line: string): string {
  return createHash("sha256").update(line).digest("base64url");
}

/** The next line of the log, and the state after it. */
export function nextLine(
  state: AuditState,
  act: AuditAct,
  at: number,
  key: Buffer,
): { line: string; state: AuditState } {
  const record: AuditRecord = { index: state.next, at, ...withoutUndefined(act), prev: state.head };
  const text = JSON.stringify(record);
  const line = `${mac(key, "line", text)} ${text}`;
  return { line, state: { ...state, next: state.next + 1, head: hashLine(line) } };
}

/** `undefined` when the line was not written under one of the keys, or is unreadable. */
export function openLine(line: string, keys: readonly Buffer[]): AuditRecord | undefined {
  const text = line.slice(MAC_LENGTH + 1);
  if (line[MAC_LENGTH] !== " " || !isMac(line.slice(0, MAC_LENGTH), "line", text, keys)) return undefined;
  const record = auditRecord.safeParse(parsed(text));
  return record.success ? record.data : undefined;
}

/** For an authentic line: the last line that a restore or repair found lost, and the first one. */
export function lossIn(line: string): (AuditHead & { readonly from: number }) | undefined {
  if (!line.includes('"act":"restore"') && !line.includes('"act":"audit-repaired"')) return undefined;
  const { index, detail } = parsed(line.slice(MAC_LENGTH + 1)) as AuditRecord;
  const [, next, hash] = /^(\d{1,15}):(.+)$/.exec(String(detail?.lost)) ?? [];
  if (next === undefined || hash === undefined) return undefined;
  return { next: Number(next), hash, from: Number(detail?.from ?? index) };
}

/** For an authentic line: the repair it reports. */
export function repairIn(line: string): AuditRepair | undefined {
  if (!line.includes('"act":"audit-repaired"')) return undefined;
  const { index, detail = {} } = parsed(line.slice(MAC_LENGTH + 1)) as AuditRecord;
  const [at, kept, again, left] = [detail.line, detail.kept, detail.again, detail.left].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { index, problem: detail.problem as AuditProblem, line: at, kept, again, left };
}

export function seal(state: AuditState, key: Buffer): string {
  const { first, base, next, head, repaired } = state;
  const text = JSON.stringify({ first, base, next, head, repaired });
  return `${mac(key, "seal", text)} ${text}`;
}

/** `undefined` when the seal was not made under one of the keys. */
export function openSeal(text: string, keys: readonly Buffer[]): AuditState | undefined {
  const body = text.slice(MAC_LENGTH + 1);
  if (text[MAC_LENGTH] !== " " || !isMac(text.slice(0, MAC_LENGTH), "seal", body, keys)) return undefined;
  return parsed(body) as AuditState;
}

/** Checks the lines of a log one after the other; the first breach is final. */
export class ChainCheck {
  readonly #keys: readonly Buffer[];
  readonly #until: number;
  #index: number;
  #hash: string;

  /** Starts at the first line of the sealed log. */
  constructor(state: AuditState, keys: readonly Buffer[]) {
    this.#keys = keys;
    this.#until = state.next;
    this.#index = state.first;
    this.#hash = state.base;
  }

  /** Checks the next line. `missing` may still turn out to be `reordered`, which only later lines show. */
  follow(line: string): Breach | undefined {
    const index = this.#index;
    if (index >= this.#until) return { index, problem: "unsealed" };
    const record = openLine(line, this.#keys);
    if (record === undefined) return { index, problem: "changed" };
    if (record.index > index) return { index, problem: "missing" };
    if (record.index < index) return { index, problem: "reordered" };
    if (record.prev !== this.#hash) return { index, problem: "changed" };
    this.#index += 1;
    this.#hash = hashLine(line);
    return undefined;
  }

  /** After the last line. */
  end(state: AuditState): Breach | undefined {
    if (this.#index < this.#until) return { index: this.#index, problem: "truncated" };
    if (this.#hash !== state.head) return { index: Math.max(state.first, state.next - 1), problem: "changed" };
    return undefined;
  }
}

function mac(key: Buffer, kind: "line" | "seal", text: string): string {
  return createHmac("sha256", key).update(`${kind}\0${text}`).digest("base64url");
}

function isMac(given: string, kind: "line" | "seal", text: string, keys: readonly Buffer[]): boolean {
  const bytes = Buffer.from(given);
  return keys.some((key) => {
    const expected = Buffer.from(mac(key, kind, text));
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
