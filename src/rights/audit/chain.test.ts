/** Whatever is changed in a log, the check detects it and names the first wrong line. */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AUDIT_ACTS, AUDIT_ROLES, type AuditAct } from "../../model/audit.ts";
import {
  type AuditState,
  auditKey,
  type Breach,
  ChainCheck,
  EMPTY_LOG,
  nextLine,
  openLine,
  openSeal,
  seal,
} from "./chain.ts";

const KEY = auditKey(Buffer.alloc(32, 1));
const OTHER = auditKey(Buffer.alloc(32, 2));
const act: fc.Arbitrary<AuditAct> = fc.record({
  act: fc.constantFrom(...AUDIT_ACTS),
  by: fc.constantFrom(...AUDIT_ROLES),
});
const acts = fc.array(act, { minLength: 1, maxLength: 12 });

function logOf(acts: readonly AuditAct[], key = KEY): { lines: string[]; state: AuditState } {
  const lines: string[] = [];
  let state = EMPTY_LOG;
  for (const [at, one] of acts.entries()) {
    const next = nextLine(state, one, at, key);
    lines.push(next.line);
    state = next.state;
  }
  return { lines, state };
}

function check(lines: readonly string[], state: AuditState): Breach | undefined {
  const chain = new ChainCheck(state, [KEY]);
  for (const line of lines) {
    const breach = chain.follow(line);
    if (breach !== undefined) return breach;
  }
  return chain.end(state);
}

describe("a log", () => {
  test("without changes is intact and contains what was appended", () => {
    fc.assert(
      fc.property(acts, (given) => {
        const { lines, state } = logOf(given);
        expect(check(lines, state)).toBeUndefined();
        expect(lines.map((line) => openLine(line, [KEY]))).toMatchObject(given);
        expect(openSeal(seal(state, KEY), [KEY])).toEqual(state);
      }),
    );
  });

  test("with one changed byte is detected at that line", () => {
    fc.assert(
      fc.property(acts, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 127 }), (given, which, where, change) => {
        const { lines, state } = logOf(given);
        const index = which % lines.length;
        const bytes = Buffer.from(lines[index] ?? "");
        const at = where % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ change;
        expect(check(lines.with(index, bytes.toString("latin1")), state)).toEqual({ index, problem: "changed" });
      }),
    );
  });

  test("merged from two histories of one log is detected where they diverge", () => {
    // After a rollback the same number is written twice, both times under the right key.
    fc.assert(
      fc.property(acts, fc.nat(), (given, which) => {
        const { lines } = logOf(given);
        const index = which % lines.length;
        const other = logOf([
          ...given.with(index, { act: "restore", by: "operator", detail: { lost: "else" } }),
          given[0] as AuditAct,
        ]);
        const mixed = [...lines.slice(0, index + 1), ...other.lines.slice(index + 1)];
        expect(check(mixed, other.state)).toEqual({ index: index + 1, problem: "changed" });
      }),
    );
  });

  test("with removed lines is detected at the first of them", () => {
    fc.assert(
      fc.property(acts, fc.nat(), fc.integer({ min: 1, max: 5 }), (given, which, count) => {
        const { lines, state } = logOf(given);
        const index = which % lines.length;
        const rest = lines.toSpliced(index, count);
        const problem = index + count < lines.length ? "missing" : "truncated";
        expect(check(rest, state)).toEqual({ index, problem });
      }),
    );
  });

  test("in another order is detected at the first line out of place", () => {
    fc.assert(
      fc.property(acts, fc.nat(), fc.nat(), (given, one, two) => {
        const { lines, state } = logOf(given);
        const [left, right] = [one % lines.length, two % lines.length].sort((a, b) => a - b) as [number, number];
        fc.pre(left !== right);
        const swapped = lines.with(left, lines[right] ?? "").with(right, lines[left] ?? "");
        expect(check(swapped, state)?.index).toBe(left);
      }),
    );
  });

  test("with a duplicate or additional line is detected", () => {
    const { lines, state } = logOf([
      { act: "backup", by: "operator" },
      { act: "restore", by: "operator" },
    ]);
    const [first = "", second = ""] = lines;
    expect(check([first, first, second], state)).toEqual({ index: 1, problem: "reordered" });
    expect(check([first, second, second], state)).toEqual({ index: 2, problem: "unsealed" });
  });
});

describe("a line", () => {
  test("with the same number from another log is rejected", () => {
    const mine = logOf([
      { act: "backup", by: "operator" },
      { act: "export", by: "subject" },
    ]);
    const theirs = logOf([
      { act: "restore", by: "operator" },
      { act: "export", by: "subject" },
    ]);
    expect(check([mine.lines[0] ?? "", theirs.lines[1] ?? ""], mine.state)).toEqual({ index: 1, problem: "changed" });
  });

  test("written without the key is not authentic", () => {
    const { lines, state } = logOf([{ act: "backup", by: "operator" }], OTHER);
    expect(check(lines, state)).toEqual({ index: 0, problem: "changed" });
    expect(openSeal(seal(state, OTHER), [KEY])).toBeUndefined();
  });

  test("written under an earlier key is authentic while that key is known", () => {
    const { lines } = logOf([{ act: "backup", by: "operator" }], OTHER);
    expect(openLine(lines[0] ?? "", [KEY, OTHER])).toMatchObject({ act: "backup" });
  });

  test("cannot pass for a seal, nor a seal for a line", () => {
    const { lines, state } = logOf([{ act: "backup", by: "operator" }]);
    expect(openSeal(lines[0] ?? "", [KEY])).toBeUndefined();
    expect(openLine(seal(state, KEY), [KEY])).toBeUndefined();
  });

  test("of random text is rejected without an exception", () => {
    fc.assert(fc.property(fc.string(), (text) => openLine(text, [KEY]) === undefined));
    expect(openLine(randomBytes(200).toString("latin1"), [KEY])).toBeUndefined();
  });
});
