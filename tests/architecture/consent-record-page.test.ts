/** The page that sets the consent record beside the standard leaves no field and no event out. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { consentEvent, consentRecord, purposeTerms } from "../../src/model/consent-record.ts";

const page = readFileSync(new URL("../../docs/privacy/consent-record.md", import.meta.url), "utf8");

function section(title: string): string {
  const [, text = ""] = page.split(`## ${title}\n`);
  return text.split("\n## ")[0] ?? "";
}

const events = consentEvent.options.map(({ shape }) => shape);
const given = events.find(({ type }) => type.value === "given");

test.each([
  ["The record", Object.keys(consentRecord.shape)],
  ["A statement", Object.keys(purposeTerms.shape).map((field) => `purposes[].${field}`)],
  ["A statement", ["recordId", "policyVersion", "policyHash", "noticeLanguage", "jurisdiction", "expiresAt"]],
  ["An event", ["type", "at", "by", "method", "evidenceRef", "prevHash"]],
  ["An event", events.map(({ type }) => type.value)],
])("%s: %j", (title, names) => {
  const rows = section(title)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split("|")[1] ?? "");
  for (const name of names) expect(rows.join("\n")).toContain(`\`${name}\``);
});

test("what a statement and an event are made of is all of what is listed", () => {
  const listed = new Set([...page.matchAll(/`([A-Za-z]+)`/g)].map(([, name]) => name));
  const unlisted = Object.keys(given ?? {}).filter((field) => !listed.has(field) && field !== "purposes");
  expect(unlisted).toEqual([]);
});
