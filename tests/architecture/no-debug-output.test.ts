/** Debug output is switched off before anything else of a program is loaded: in every program that there is. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
const named = [...read("scripts/bootstrap.mjs").matchAll(/source\("([^"]+)"/g)].map(([, file = ""]) => file);
/** They change no data and are started by their path: they write pages and a table. */
const HANDLES_NO_DATA = ["scripts/generate-docs.ts", "scripts/densities.ts", "scripts/land.ts"];
const OF_THE_PRODUCT = /^import "(\.\.?\/)+(src\/)?platform\/no-debug-output\.ts";$/;
const programs = [...named.filter((file) => !HANDLES_NO_DATA.includes(file)), "tools/stack/altered-gateway.ts"];

it.each(programs)("%s begins with it", (file) => {
  const [first] = /^import .*$/m.exec(read(file)) ?? [];
  // What is to be copied stands on nothing of the product.
  const own = file.startsWith("examples/") ? /^import "\.\/no-debug-output\.ts";$/ : OF_THE_PRODUCT;
  expect(first).toMatch(own);
});

it("knows all programs", () => expect(programs.length).toBeGreaterThan(12));
