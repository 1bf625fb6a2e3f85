/** An option that is advertised is obeyed: each is read somewhere behind the loader, and none of those of de-identification is overwritten. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { type OptionRow, optionRows } from "../../src/config/options.ts";
import { Vocabulary } from "../../src/vocabulary/vocabulary.ts";
import { deidentifierOptions } from "../../src/wiring/deidentifier.ts";

const SRC = fileURLToPath(new URL("../../src", import.meta.url));

/** The code behind the loader, without comments: a name that only a comment holds is read by no one. */
function codeOutsideConfig(): string {
  const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.startsWith("config/"),
  );
  const texts = files.map((file) => readFileSync(join(SRC, file), "utf8"));
  return texts.join("\n").replace(/\/\*.*?\*\/|^\s*\/\/[^\n]*$/gms, "");
}

const leaf = ({ path }: OptionRow): string => path.at(-1) ?? "";
const rows = optionRows().flatMap((row) => [row, ...row.fields]);
const named = new Set(rows.map(({ path }) => path.join(".")));
/** The loader puts what such a file holds instead of the option without `File`. */
const isSecretFile = ({ path }: OptionRow): boolean => {
  const name = path.join(".");
  return name.endsWith("File") && named.has(name.slice(0, -"File".length));
};

it("every option is read outside of the configuration", () => {
  const words = new Set(codeOutsideConfig().match(/[A-Za-z][A-Za-z0-9]*/g));
  const unread = rows.filter((row) => !isSecretFile(row) && !words.has(leaf(row)));
  expect(unread.map(({ path }) => path.join("."))).toEqual([]);
});

describe("de-identification obeys", () => {
  const config = loadConfig({ env: { CONSENTRY_HTTP_TOKEN: "t".repeat(32) } });
  const vocabulary = new Vocabulary(config.properties);
  const options = rows.filter(({ path, kind }) => path[0] === "deidentify" && kind === "number");

  it.each(options.map((row) => [row.path.join("."), row] as const))("%s", (_name, { path, default: byDefault }) => {
    const changed = structuredClone(config);
    const parent = path.slice(0, -1).reduce<unknown>((tree, key) => (tree as Record<string, unknown>)[key], changed);
    (parent as Record<string, unknown>)[leaf({ path } as OptionRow)] =
      Number(byDefault) === 1 ? 2 : Number(byDefault) / 2 + 0.5;
    const dialects = { models: [] };
    expect(deidentifierOptions(changed, vocabulary, dialects)).not.toEqual(
      deidentifierOptions(config, vocabulary, dialects),
    );
  });
});
