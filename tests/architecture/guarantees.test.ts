/** `docs/privacy/guarantees.md` promises nothing without a test: every clause has a row, every row a proof. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { testTitles, titlesIn } from "../fixtures/test-titles.ts";

const PAGE = fileURLToPath(new URL("../../docs/privacy/guarantees.md", import.meta.url));
const THREATS = fileURLToPath(new URL("../../docs/privacy/threat-model.md", import.meta.url));

/** The clauses of the policy that concern telemetry, once for each row; a page that loses one has lost a promise. */
const CLAUSES = (
  "preamble,1.1,1.2,1.3-1,1.3-2,1.3-2,1.3-2,1.3-3,1.3 access,1.3 logs,1.3 loss,1.3 backup,1.3 deletion,2.1,2.2,2.3,2.4,2.4-1,2.4-2,2.4-3," +
  "2.4-4,2.4-5,3,4.1,4.2,4.3,5,5 research,5 hold,5,6,6 removal,6 guardian,7,8,9,10,10 rights,10 archive"
).split(",");

interface Proof {
  readonly file: string;
  /** A test's title, or the name of its case. */
  readonly title: string;
}

interface Row {
  readonly clause: string;
  readonly today: string;
  readonly proofs: readonly Proof[];
  /** The cell as written, for what is not of the form of a proof. */
  readonly provedBy: string;
}

/** Each `[name](file) "title"`. */
function proofsIn(text: string): Proof[] {
  return [...text.matchAll(/\[[^\]]+\]\(([^)]+)\) "([^"]+)"/g)].map(([, file = "", title = ""]) => ({ file, title }));
}

function readRows(page: string): Row[] {
  const table = page.split("\n").filter((line) => line.startsWith("| "));
  return table.slice(1).map((line) => {
    const cells = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    const [clause = "", , today = "", provedBy = ""] = cells;
    return { clause, today, proofs: proofsIn(provedBy), provedBy };
  });
}

const rows = readRows(readFileSync(PAGE, "utf8"));
const named = rows.map((row, index) => [`${row.clause} (row ${index + 1})`, row] as const);

describe("a proof", () => {
  const SOURCE = `
    // it("a comment", () => {});
    const CASES = [["a case by name", 1]];
    describe("a suite", () => {
      it("a test", () => expect("a text within").toBe(1));
      test.each([["a case", { key: "a value" }], ["another"]])("of %s", () => {});
      test.each(CASES)("with %s", () => {});
      it.each([["a case that no title shows"]])("of them all", () => {});
      it.skip("a skipped test", () => {});
      it.todo("a test to be written");
      it.fails("a test that fails", () => {});
      it.skip.each([["a skipped case"]])("skipped: %s", () => {});
    });
    describe.skipIf(missing)("a suite for some machines", () => void test("a test for some machines", () => {}));
    describe.skip("a skipped suite", () => void test("a test of a skipped suite", () => {}));
  `;

  it("is a test that runs, under its whole title or the name of its case", () => {
    expect([...titlesIn(ts.createSourceFile("x.test.ts", SOURCE, ts.ScriptTarget.Latest, true))]).toEqual([
      ...["a test", "of %s", "a case", "a value", "another", "with %s", "a case by name", "of them all"],
      "a test for some machines",
    ]);
  });
});

describe("the table of guarantees", () => {
  it("has a row for every clause, and for nothing else", () => {
    expect(rows.map(({ clause }) => clause).toSorted()).toEqual(CLAUSES.toSorted());
  });

  it.each(named)("%s has a proof", (_name, { proofs, today }) => {
    expect(proofs.length).toBeGreaterThan(0);
    expect(today.length).toBeGreaterThan(1);
  });

  it.each(named)("%s names its proofs by file and title", (_name, { proofs, provedBy }) => {
    const links = provedBy.match(/\]\(/g) ?? [];
    expect(proofs).toHaveLength(links.length);
  });

  it.each(rows.flatMap(({ proofs }) => proofs.map(({ file, title }) => [file, title] as const)))(
    "%s has the test %j",
    (file, title) => {
      expect(file).toMatch(/\.test\.ts$/);
      const path = join(dirname(PAGE), file);
      expect(existsSync(path), `${file} does not exist`).toBe(true);
      expect(testTitles(path)).toContain(title);
    },
  );
});

describe("the corners of places and crowds in the threat model", () => {
  const text = readFileSync(THREATS, "utf8");
  const section = /^## Corners of places and crowds$(.*?)^## /ms.exec(text)?.[1] ?? "";
  const corners = section.split("\n").filter((line) => line.startsWith("| ") && !/^\| (?:corner|---)/.test(line));

  it("are those that would tell of one person", () => {
    expect(corners.length).toBeGreaterThanOrEqual(14);
  });

  it.each(corners)("have a test: %s", (corner) => {
    const proofs = proofsIn(corner);
    expect(proofs.length).toBeGreaterThan(0);
    for (const { file, title } of proofs) expect(testTitles(join(dirname(THREATS), file)), file).toContain(title);
  });
});
