/** The dialects that come with the gateway, and those of the operator's own (`dialects`). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileDialect } from "../dialects/compile.ts";
import { type DialectSource, Dialects, type OwnDialect } from "../dialects/dialects.ts";
import { readOptionFile } from "../platform/start-faults.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";

const FOLDER = fileURLToPath(new URL("../../config/dialects/", import.meta.url));
const ENDING = ".yaml";

export function shippedDialects(vocabulary: Vocabulary): Dialects {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(ENDING));
  const sources = files.toSorted().map(
    (file): DialectSource => ({
      file,
      name: file.slice(0, -ENDING.length),
      read: () => readFileSync(join(FOLDER, file), "utf8"),
    }),
  );
  return new Dialects(sources, vocabulary);
}

/** Reads and compiles one of the operator's own. Throws `CONFIG_INVALID` for a file, DialectFaults for what is in it. */
export function readOwnDialect(option: string, file: string, vocabulary: Vocabulary): OwnDialect {
  const text = readOptionFile(option, file).toString("utf8");
  return { text, dialect: compileDialect(text, option, vocabulary) };
}
