/** Every runbook has the same five parts, a rehearsal, and a row in the list of them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { RUNBOOKS, SECTIONS } from "../fixtures/runbook.ts";

const folder = new URL(`../../${RUNBOOKS}`, import.meta.url);
const read = (file: string) => readFileSync(new URL(file, folder), "utf8");
const pages = readdirSync(folder).filter((file) => file !== "README.md");

it("there are ten", () => expect(pages).toHaveLength(10));

it.each(pages)("%s has all parts, is listed, and is rehearsed", (file) => {
  const headings = [...read(file).matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual([...SECTIONS]);
  expect(read("README.md")).toContain(`](${file})`);
  const test = new URL(`../integration/runbooks/${file.replace(/md$/, "test.ts")}`, import.meta.url);
  expect(existsSync(test)).toBe(true);
  // A part that no test follows could say anything.
  for (const part of read(file).split(/^## /m))
    if (part.includes("```sh")) expect(readFileSync(test, "utf8")).toContain(`follow("${part.split("\n")[0]}")`);
});
