/** The table of mutants names places and tests that exist, so that `npm run mutants` never breaks nothing in silence. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { changed } from "./change.ts";
import { PLACES } from "./places.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

it("has forty places or more, each under a name of its own", () => {
  expect(PLACES.length).toBeGreaterThanOrEqual(40);
  expect(new Set(PLACES.map(({ breaks }) => breaks)).size).toBe(PLACES.length);
});

it.each(PLACES)("$breaks: the place and its tests exist", (place) => {
  const source = readFileSync(join(ROOT, place.file), "utf8");
  expect(changed(source, place)).not.toBe(source);
  for (const test of place.tests) expect(existsSync(join(ROOT, test)), test).toBe(true);
});
