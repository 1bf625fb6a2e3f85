/** The examples know one page that tells all, and what is written twice in them for want of a common place says the same. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const FOLDER = fileURLToPath(new URL("../../examples", import.meta.url));
const PAGE = "docs/guides/connect-a-device.md";
const read = (file: string) => readFileSync(join(FOLDER, file), "utf8");
const FOR_SERVICES = ["contract-test/check.mjs", "services/main.ts"];
const programs = ["python/device.py", "node/device.mjs", "esp-idf/main/main.cpp", "node-red/flow.json"];

test("every example leads to the page, and the README to every example", () => {
  const folders = readdirSync(FOLDER, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const devices = folders.map(({ name }) => name).filter((name) => !FOR_SERVICES.some((file) => file.startsWith(name)));
  expect(devices.toSorted()).toEqual(programs.map((file) => file.split("/")[0]).toSorted());
  for (const file of FOR_SERVICES) expect(read("README.md")).toContain(`](${file})`);
  for (const program of programs) {
    expect(read(program)).toContain(PAGE);
    expect(read("README.md")).toContain(`](${program})`);
  }
});

test("the NVS of the chip's example has the keys that are read of it, none too long for NVS", () => {
  const inFile = read("esp-idf/nvs.csv").matchAll(/^(\w+),data,/gm);
  const inProgram = read("esp-idf/main/settings.cpp").matchAll(/read_string\(nvs, "(\w+)"\)/g);
  const keys = [...inFile].map(([, key = ""]) => key);
  expect(keys).toEqual([...inProgram].map(([, key = ""]) => key));
  expect(keys.length).toBeGreaterThan(3);
  expect(keys.filter((key) => key.length > 15)).toEqual([]);
});

test("every part of the chip's example is built by its CMakeLists.txt", () => {
  const parts = readdirSync(join(FOLDER, "esp-idf/main")).filter((file) => file.endsWith(".cpp"));
  const built = [...read("esp-idf/main/CMakeLists.txt").matchAll(/"([\w-]+\.cpp)"/g)].map(([, file = ""]) => file);
  expect(built.toSorted()).toEqual(parts.toSorted());
});

test("all keep messages as long, and none sends them faster than another", () => {
  const hours = programs.map((program) => /\b23 \* 3600\b/.test(read(program)));
  expect(hours).toEqual([true, true, true, true]);
  const uplinks = ["python/uplink.py", "node/uplink.mjs", "esp-idf/main/uplink.cpp"];
  const pauses = uplinks.map((file) => /PAUSE_BETWEEN_\w+ = ([\d.]+)/.exec(read(file))?.[1]);
  expect(pauses).toEqual(["0.05", "50", "50"]);
});
