/** Everything a configuration can be told wrong by, without a port, a Redis or a store: options, the files they name, keys. */
import { type ConfigSource, examineConfig } from "../config/load.ts";
import type { ConfigProblem } from "../config/problems.ts";
import { keysAreMissing, readKeys } from "../platform/keys/files.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { examineNamedFiles, problemsIn } from "./named-files.ts";

/** All problems at once; empty: the gateway can start with it as far as this machine's files go. Changes nothing. */
export function checkConfiguration(source: ConfigSource): readonly ConfigProblem[] {
  const { config, problems, placeOf } = examineConfig(source);
  if (config === undefined) return problems;
  const vocabulary = new Vocabulary(config.properties, config.deidentify.storedValues);
  const { problems: ofFiles } = examineNamedFiles(config, vocabulary);
  const named = [...ofFiles, ...keyProblems(config.keys)];
  return [...problems, ...named.map((one) => ({ ...one, place: one.place ?? placeOf(one.option) }))];
}

/** A set that is to be made at the first start cannot be wrong yet. */
function keyProblems({ dir, create }: { dir: string; create: boolean }): readonly ConfigProblem[] {
  try {
    if (!(create && keysAreMissing(dir))) readKeys(dir, { create: false });
    return [];
  } catch (error) {
    return problemsIn(error).map((one) =>
      one.option === "keys.dir"
        ? one
        : { option: "keys.dir", reason: `${one.option}: ${one.reason}`, code: "key-invalid" },
    );
  }
}
