/**
 * The rooms as `scripts/rooms.ts` draws them, held against the code: no circle between rooms, nothing allowed that no one
 * needs, and each room entered from outside by the doors named here alone.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path/posix";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { COMPOSERS, isFileRoom, ROOMS } from "../../scripts/rooms.ts";
import { DOORS } from "./doors.ts";

const SRC = fileURLToPath(new URL("../../src", import.meta.url));

interface Arrow {
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  .map((file) => file.slice(0, -3))
  .sort();
const specifiers = new Map(files.map((file) => [file, importsOf(file)]));
/** From file to file, without the ending. */
const arrows: Arrow[] = files.flatMap((from) =>
  (specifiers.get(from) ?? []).filter((one) => one.startsWith(".")).map((one) => ({ from, to: target(from, one) })),
);

function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(SRC, `${file}.ts`), "utf8"), true, true);
  return importedFiles.map(({ fileName }) => fileName);
}

function target(from: string, specifier: string): string {
  return normalize(join(dirname(from), specifier)).replace(/\.ts$/, "");
}

function roomOf(file: string): string {
  if (ROOMS.some(({ path }) => path === file)) return file;
  const folder = dirname(file);
  return folder === "." ? "" : folder;
}

/** From room to room; a row may name a single file of a room. */
const between = arrows
  .map(({ from, to }) => {
    const named = ROOMS.find(({ path }) => path === roomOf(from))?.imports.includes(to);
    return { from: roomOf(from), to: named ? to : roomOf(to) };
  })
  .filter(({ from, to }) => from !== to && to !== "model");

describe("the table of rooms", () => {
  test("has a row for every folder", () => {
    const rows = new Set<string>([...ROOMS.map(({ path }) => path), ...COMPOSERS]);
    expect([...new Set(files.map(roomOf))].filter((room) => !rows.has(room))).toEqual([]);
  });

  test.each(ROOMS.map((room) => [room.path, room] as const))(
    "%s may import what it needs, and no more",
    (path, room) => {
      const used = new Set(between.filter(({ from }) => from === path).map(({ to }) => to));
      const packages = files
        .filter((file) => roomOf(file) === path)
        .flatMap((file) => specifiers.get(file) ?? [])
        .filter((one) => !one.startsWith(".") && !one.startsWith("node:"));
      expect([...used].sort()).toEqual([...room.imports].sort());
      expect([...new Set(packages)].sort()).toEqual([...room.packages].sort());
    },
  );

  test("has no circle between rooms", () => {
    const open = new Set(ROOMS.map(({ path }) => path));
    const needs = new Map(ROOMS.map(({ path, imports }) => [path, imports]));
    for (let last = -1; last !== open.size; ) {
      last = open.size;
      for (const path of open) if (!needs.get(path)?.some((one) => open.has(one))) open.delete(path);
    }
    expect([...open]).toEqual([]);
  });
});

test("a room is entered by its doors alone", () => {
  const entered = new Map<string, Set<string>>();
  for (const { from, to } of arrows) {
    const room = roomOf(to);
    if (roomOf(from) === room || !room.includes("/") || isFileRoom(to)) continue;
    entered.set(room, (entered.get(room) ?? new Set()).add(relative(room, to)));
  }
  expect(Object.fromEntries([...entered].map(([room, doors]) => [room, [...doors].sort()]))).toEqual(DOORS);
});
