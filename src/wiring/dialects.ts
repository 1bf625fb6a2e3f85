/** The dialects that come with the gateway, and those of the operator's own (`dialects`). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DialectFaults } from "../dialects/compile.ts";
import { type DialectSource, Dialects } from "../dialects/dialects.ts";
import { GatewayError } from "../model/errors.ts";
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

/** Throws `CONFIG_INVALID` with file, line and rule of the first fault. */
export function readOwnDialects(dialects: Dialects, files: readonly string[]): void {
  for (const [index, file] of files.entries()) {
    try {
      dialects.add(readOptionFile(`dialects.${index}`, file).toString("utf8"), `dialects.${index}`);
    } catch (error) {
      if (!(error instanceof DialectFaults)) throw error;
      throw new GatewayError("CONFIG_INVALID", error.faults[0], { cause: error });
    }
  }
}
