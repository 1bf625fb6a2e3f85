/** The shipped policy is that of the text beside it, clause by clause, and the page of guarantees speaks of the same clauses. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { policyDocument } from "../../src/model/policy-document.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root));
const policy = policyDocument.parse(JSON.parse(read("config/policies/1.json").toString()));
const text = read(`config/policies/${policy.source?.file}`);
const clauses = policy.statements.map(({ clause }) => clause);

test("the document names the text it was derived from, byte for byte", () => {
  expect(createHash("sha256").update(text).digest("hex")).toBe(policy.source?.sha256);
  const updated = new Date(policy.source?.updated ?? "");
  const said = updated.toLocaleDateString("en-US", { month: "long", day: "numeric", year: "numeric", timeZone: "UTC" });
  expect(text.toString()).toContain(`updated on ${said}`);
  expect(text.toString().startsWith(`${policy.source?.title}\n`)).toBe(true);
  expect(policy.effectiveFrom).toBe(policy.source?.updated);
});

test("every clause of the guarantees has a statement of its own, and there is none beside them", () => {
  const rows = read("docs/privacy/guarantees.md")
    .toString()
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(1);
  const promised = new Set(rows.map((line) => line.split("|")[1]?.trim()));
  expect(clauses.toSorted()).toEqual([...promised].toSorted());
});

test("every numbered clause stands in the text, and no numbered clause of the text is left out", () => {
  const headings = [...text.toString().matchAll(/^(\d{1,2}(?:\.\d)?)\.?\s{3}\S/gm)].map(([, number]) => number);
  const named = new Set(clauses.map((clause) => clause.split(/[- ]/)[0]));
  for (const number of named) if (number !== "preamble") expect(headings).toContain(number);
  // A heading is covered by its own statement or by those of its parts.
  for (const heading of headings) {
    expect([...named].some((number) => number === heading || number?.startsWith(`${heading}.`))).toBe(true);
  }
});

test("the five manners of use in 2.4 are told one by one", () => {
  const [, list = ""] = text.toString().split("We will use your information for the following purposes");
  const items = [...(list.split(/\n3\.\s{3}/)[0] ?? "").matchAll(/^\s*(\d)\. /gm)].map(([, number]) => `2.4-${number}`);
  expect(items).toHaveLength(5);
  expect(clauses.filter((clause) => clause.startsWith("2.4-"))).toEqual(items);
});
