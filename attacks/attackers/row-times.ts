/** A1 and A2: what the digits of row times tell, if they are a hash of the message's id without a key. */
import { assign } from "../measure/assignment.ts";
import { openDigits } from "../open-digits.ts";
import type { ArrivedRow } from "../recording/view.ts";
import { type Attack, bestOf } from "./attack.ts";

const CANDIDATES = 1_000;
/** Counters of devices stay below. */
const BIGGEST_ID = 1_000_000;
/** Messages that left no row move a counter on. */
const SLACK = 8;
const FARTHEST = 1_000;

/** Knows some ids of a device's messages; looks for the name whose rows have their digits. */
export const idsOutOfRowTimes: Attack = {
  name: "A1",
  what: "a device, by ids of its messages, among 1,000 names",
  goal: "control",
  run(view) {
    const names = view.storedUnder(view.firstStored(0));
    const holders = new Map<number, Set<string>>();
    for (const [name, rows] of names) {
      for (const { digits } of rows) {
        const before = holders.get(digits);
        if (before === undefined) holders.set(digits, new Set([name]));
        else before.add(name);
      }
    }
    const all = [...names.keys()];
    let hits = 0;
    let trials = 0;
    for (const { device, ids } of view.truth("ids")) {
      const own = all.find((name) => view.ownerOf(name)?.device === device);
      if (own === undefined || ids.length === 0 || trials >= CANDIDATES) continue;
      const candidates = new Set([own]);
      while (candidates.size < Math.min(CANDIDATES, all.length)) candidates.add(view.random.pick(all));
      const digits = new Set(ids.map(openDigits));
      const score = (name: string) => [...digits].filter((one) => holders.get(one)?.has(name) === true).length;
      const found = bestOf(candidates, score, () => view.random.next());
      trials += 1;
      if (found === own) hits += 1;
    }
    return { hits, trials, control: 1 / Math.min(CANDIDATES, Math.max(1, all.length)) };
  },
};

/** Takes ids for numbers that a device counts on, finds out where each name's counter stands, and follows it. */
export const countersOverEpochs: Attack = {
  name: "A2",
  what: "names of stored rows and the next, by counters in the digits of row times",
  goal: "control",
  run(view) {
    const idsOf = idsByDigits();
    const counters = (from: number) =>
      [...view.storedUnder(from)].map(([name, rows]) => ({ name, ...counterOf(rows, idsOf) }));
    const before = counters(view.lastStored(0));
    const after = counters(view.firstStored(1));
    const score = (left: number, right: number) =>
      -Math.min(FARTHEST, Math.abs((after[right]?.first ?? 0) - (before[left]?.last ?? 0)));
    const partners = assign(before.length, after.length, score, view.random);
    const hits = partners.filter((partner, index) => {
      const owner = view.ownerOf(before[index]?.name ?? "");
      return owner !== undefined && owner === view.ownerOf(after[partner]?.name ?? "");
    }).length;
    return { hits, trials: before.length, control: 1 / Math.max(1, after.length) };
  },
};

let known: ReadonlyMap<number, number[]> | undefined;

function idsByDigits(): ReadonlyMap<number, number[]> {
  if (known !== undefined) return known;
  const ids = new Map<number, number[]>();
  for (let id = 0; id < BIGGEST_ID; id += 1) {
    const digits = openDigits(String(id));
    const same = ids.get(digits);
    if (same === undefined) ids.set(digits, [id]);
    else same.push(id);
  }
  known = ids;
  return ids;
}

/** Where most of the rows agree that the counter stood at the first and at the last of them. */
function counterOf(rows: readonly ArrivedRow[], idsOf: ReadonlyMap<number, number[]>): { first: number; last: number } {
  const votes = new Map<number, number>();
  const sorted = [...rows].sort((left, right) => left.time - right.time);
  for (const [index, { digits }] of sorted.entries()) {
    for (const id of idsOf.get(digits) ?? []) {
      const base = Math.floor((id - index) / SLACK);
      votes.set(base, (votes.get(base) ?? 0) + 1);
      votes.set(base + 1, (votes.get(base + 1) ?? 0) + 1);
    }
  }
  let best = 0;
  for (const [base, count] of votes) if (count > (votes.get(best) ?? 0)) best = base;
  return { first: best * SLACK, last: best * SLACK + rows.length };
}
