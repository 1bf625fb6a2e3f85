import { expect, test } from "vitest";
import { createLog } from "./logger.ts";
import { readableLines } from "./readable-log.ts";

test("a line for a person has the time, the level, the phrase and the fields of the JSON line, and no others", () => {
  const printed: string[] = [];
  const log = createLog(
    "info",
    readableLines((text) => void printed.push(text)),
  );
  log.info("ready", { durability: "fsync" });
  log.warn("something happened");
  // The list of what a line may hold stands before it: what JSON withholds is withheld here.
  log.error("device bulb-3 at 12.97,77.59 failed", { code: "12.97", count: 3 });
  const words = printed.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ""));
  expect(words).toEqual([
    "info  ready  durability=fsync\n",
    "warn  something happened\n",
    "error event withheld  count=3\n",
  ]);
  expect(printed.every((line) => /^\d\d:\d\d:\d\d /.test(line))).toBe(true);
});
