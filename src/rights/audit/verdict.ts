/** Whether the audit log is whole: every line authentic and in its place, and every head that was recorded still in it. */
import type { AuditHead, AuditRepair, AuditVerdict } from "../../model/audit.ts";
import { ChainCheck, EMPTY_LOG, hashLine, lossIn, openLine, openSeal, repairIn } from "./chain.ts";
import { HeadCheck } from "./head-check.ts";
import type { Bounds, LogLines } from "./lines.ts";

export interface VerifyOptions {
  /** Any of them may have written. */
  readonly keys: readonly [Buffer, ...Buffer[]];
  readonly noted: readonly AuditHead[];
}

/** Of the log within these bounds. `noted` are heads recorded earlier; the log must continue each of them. */
export async function verdictOn(
  lines: LogLines,
  { sealText, count }: Bounds,
  { keys, noted }: VerifyOptions,
): Promise<AuditVerdict> {
  const state = sealText === "" && count === 0 ? EMPTY_LOG : openSeal(sealText, keys);
  if (state === undefined) return { intact: false, index: 0, problem: "seal-broken" };
  const check = new ChainCheck(state, keys);
  const heads = new HeadCheck(noted, state);
  const repairs: AuditRepair[] = [];
  let position = 0;
  for await (const line of lines.between(0, count)) {
    const breach = check.follow(line);
    if (breach?.problem === "missing" && (await stands(lines, keys, breach.index, position, count))) {
      return { intact: false, index: breach.index, problem: "reordered" };
    }
    if (breach !== undefined) return { intact: false, ...breach };
    position += 1;
    heads.follow(state.first + position, hashLine(line), lossIn(line));
    const repair = repairIn(line);
    if (repair !== undefined) repairs.push(repair);
  }
  const breach = check.end(state);
  if (breach !== undefined) return { intact: false, ...breach };
  const missed = heads.missed();
  if (missed[0] !== undefined) {
    return { intact: false, index: Math.min(missed[0].next, state.next), problem: "rolled-back", missed };
  }
  const head = { next: state.next, hash: state.head };
  return { intact: true, first: state.first, head, lost: heads.losses, repairs };
}

/** Whether the line of this index now stands further towards the end. */
async function stands(
  lines: LogLines,
  keys: VerifyOptions["keys"],
  index: number,
  from: number,
  count: number,
): Promise<boolean> {
  for await (const line of lines.between(from, count)) {
    if (openLine(line, keys)?.index === index) return true;
  }
  return false;
}
