/** What is installed is what is needed, and the lock file installs on every platform and on every Node this package promises. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface Package {
  readonly version?: string;
  readonly engines?: { readonly node?: string };
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function read(file: string): Package & { packages: Readonly<Record<string, Package>> } {
  return JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"));
}

const SOURCES = new URL("../../src/", import.meta.url);
/** The name of a package of npm: no path, and nothing of Node's own. */
const IMPORT = /\b(?:from|import) "(?!node:)((?:@[\w-]+\/)?\w[\w.-]*)/g;
/** Aedes' own: its private members are leant on, so its version must not move by itself. */
const PINNED_FOR_OTHERS = ["mqtt-packet"];
/** Imported by a page in the browser, to which the gateway serves its files. */
const SERVED = ["uplot"];
const { packages } = read("package-lock.json");

describe("package.json", () => {
  it("has the built gateway install what its sources import, and nothing else", () => {
    const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" });
    const imported = files
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
      .flatMap((file) => [...readFileSync(new URL(file, SOURCES), "utf8").matchAll(IMPORT)])
      .map(([, name = ""]) => name);
    const wanted = new Set([...imported, ...PINNED_FOR_OTHERS, ...SERVED]);
    expect(Object.keys(read("package.json").dependencies ?? {}).toSorted()).toEqual([...wanted].toSorted());
  });
});

describe("package-lock.json", () => {
  it("names the platform packages of every platform; `node scripts/complete-lock.mjs` adds them", () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {}).filter(
        (name) =>
          packages[`node_modules/${name}`] === undefined && packages[`${path}/node_modules/${name}`] === undefined,
      ),
    );
    expect(missing).toEqual([]);
  });

  it.each([20, 22, 24])("holds no package that refuses Node %i", (major) => {
    const refusing = Object.entries(packages)
      .filter(([, { engines, optional }]) => !optional && engines?.node !== undefined && !allows(engines.node, major))
      .map(([path]) => path);
    expect(refusing).toEqual([]);
  });

  it("pins every direct dependency exactly", () => {
    const { dependencies, devDependencies } = read("package.json");
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });
});

/** Enough of semver for `engines`: alternatives, each a lower bound, a caret or a bare major. */
function allows(range: string, node: number): boolean {
  return range.split("||").some((alternative) =>
    alternative
      .trim()
      .replace(/([<>=^~])\s+/g, "$1")
      .split(/\s+/)
      .every((bound) => {
        const [, operator = "", major] = /^([<>=^~]*)\s*v?(\d+|\*)/.exec(bound) ?? [];
        if (major === "*" || major === undefined) return true;
        if (operator.startsWith(">")) return Number(major) <= node;
        if (operator.startsWith("<")) return Number(major) > node;
        return Number(major) === node;
      }),
  );
}
