/**
 * What may stand on what, folder by folder: the product on itself alone, the tools on the product, simulators and bench on
 * both and not on each other, the attacks on parts of the simulators, and on services of the examples, which have to go by the clock that
 * the attacks set; the demo starts programs of the examples and imports none. So the image, which is built of `src`, holds nothing that installs or starts a server.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path/posix";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  src: [],
  "tools/private-servers": ["src"],
  "tools/wire": ["src"],
  "tools/stack": ["src", "tools/private-servers", "tools/wire"],
  simulators: ["src", "tools"],
  attacks: ["src", "tools", "simulators", "examples/services"],
  bench: ["src", "tools"],
  examples: [],
};

/** Loaded into every program that another one starts and that must not outlive it. */
const FOLLOW_PARENT = "scripts/follow-parent.mjs";

/** What tests share: a unit test beside its source may stand on it, the source itself not. */
const FIXTURES = "tests/fixtures";

/** Unit tests of the product may look at the documents that scripts generate. */
function filesOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !(folder === "src" && file.endsWith(".test.ts")))
    .map((file) => join(folder, file));
}

/** Static and dynamic imports and `new URL("…", import.meta.url)` of a module, each as a path below the repository. */
function modulesNamedBy(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const imported = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
  const addressed = [...text.matchAll(/new URL\(\s*"(\.[^"]+\.(?:ts|mjs))"/g)].map(([, name = ""]) => name);
  return [...imported, ...addressed]
    .filter((name) => name.startsWith("."))
    .map((name) => normalize(join(file, "..", name)));
}

describe("imports between folders", () => {
  test.each(Object.entries(IMPORTS))("%s imports only what it may", (folder, allowed) => {
    const within = [folder, ...allowed, ...(folder === "src" ? [] : [FOLLOW_PARENT])];
    const named = filesOf(folder).flatMap((file) => modulesNamedBy(file).map((module) => ({ file, module })));
    expect(named.length).toBeGreaterThan(0);
    const permitted = (file: string, module: string) =>
      [...within, ...(file.endsWith(".test.ts") ? [FIXTURES] : [])].some(
        (one) => module === one || module.startsWith(`${one}/`),
      );
    expect(named.filter(({ file, module }) => !permitted(file, module))).toEqual([]);
  });

  test("every folder of tools has a row", () => {
    const folders = readdirSync(join(ROOT, "tools")).map((name) => `tools/${name}`);
    expect(folders.filter((folder) => !Object.hasOwn(IMPORTS, folder))).toEqual([]);
  });
});

describe("what the image is built of", () => {
  test("is neither tools, simulators, attacks nor bench", () => {
    const dockerfile = readFileSync(join(ROOT, "Dockerfile"), "utf8");
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = ""]) =>
      names.split(" "),
    );
    expect(copied).toContain("src");
    expect(copied.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
    expect(copied.filter((name) => /^(\.|tools|simulators|attacks|bench|scripts|tests)\/?$/.test(name))).toEqual([]);
    expect(dockerfile).not.toContain("apt-get");
    const built = JSON.parse(readFileSync(join(ROOT, "tsconfig.build.json"), "utf8")) as { include: string[] };
    expect(built.include).toEqual(["src"]);
  });

  test("installs no package and starts no process", () => {
    const offending = filesOf("src").filter((file) =>
      /apt-get|child_process/.test(readFileSync(join(ROOT, file), "utf8")),
    );
    expect(offending).toEqual([]);
  });
});
