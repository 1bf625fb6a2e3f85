/**
 * The files that the configuration names, read and understood: what is in use is made of what was read here, so that a file that
 * changes in between cannot bring in anything that was not looked at. Opens nothing but files.
 */
import { ConfigFault, type ConfigProblem } from "../config/problems.ts";
import type { Config } from "../config/schema.ts";
import { parsePolicy } from "../consent/policy/policies.ts";
import { parseDensityTable } from "../deidentify/density-table.ts";
import type { DensityRow } from "../deidentify/location.ts";
import { DialectFaults } from "../dialects/compile.ts";
import type { OwnDialect } from "../dialects/dialects.ts";
import { type Certificate, readCertificate } from "../ingress/mqtt/listeners.ts";
import { GatewayError } from "../model/errors.ts";
import { optionUnusable, readOptionFile, requireWritable } from "../platform/start-faults.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import { readOwnDialect } from "./dialects.ts";

export interface NamedFiles {
  /** Digest of the policy. */
  readonly policy: string;
  readonly densities: readonly DensityRow[];
  readonly ownDialects: readonly OwnDialect[];
  /** Absent where nothing listens for TLS. */
  readonly certificate: Certificate | undefined;
}

type FilesOf = Pick<Config, "consent" | "deidentify" | "mqtt" | "backup" | "dialects">;

/** Throws `CONFIG_INVALID` with everything that is wrong. `vocabulary`: what the dialects may name. */
export function readNamedFiles(config: FilesOf, vocabulary: Vocabulary): NamedFiles {
  const { files, problems } = examineNamedFiles(config, vocabulary);
  if (problems.length > 0) throw new ConfigFault(problems);
  return files;
}

/** The same, with what is wrong beside it. */
export function examineNamedFiles(
  { consent, deidentify, mqtt, backup, dialects }: FilesOf,
  vocabulary: Vocabulary,
): { files: NamedFiles; problems: readonly ConfigProblem[] } {
  const problems: ConfigProblem[] = [];
  const tried = <Read>(read: () => Read): Read | undefined => {
    try {
      return read();
    } catch (error) {
      problems.push(...problemsIn(error));
      return undefined;
    }
  };
  const policy = tried(() => {
    const read = parsePolicy(readOptionFile("consent.policyFile", consent.policyFile));
    if (read === undefined) throw optionUnusable("consent.policyFile", "policy-invalid");
    return read.hash;
  });
  const densities = tried(() => {
    const table = readOptionFile("deidentify.location.densityFile", deidentify.location.densityFile);
    return parseDensityTable(table.toString("utf8"));
  });
  const ownDialects = dialects.flatMap(
    (file, index) => tried(() => readOwnDialect(`dialects.${index}`, file, vocabulary)) ?? [],
  );
  const certificate = mqtt.tls.enabled ? tried(() => readCertificate(mqtt.tls)) : undefined;
  tried(() => requireWritable("backup.journalFile", backup.journalFile, "file"));
  tried(() => requireWritable("backup.dir", backup.dir, "directory"));
  return { files: { policy: policy ?? "", densities: densities ?? [], ownDialects, certificate }, problems };
}

/** Rethrows what is no fault of the configuration. */
export function problemsIn(error: unknown): readonly ConfigProblem[] {
  if (error instanceof ConfigFault) return error.problems;
  if (error instanceof DialectFaults) return error.faults.map((fault) => dialectProblem(fault));
  if (!(error instanceof GatewayError) || (error.code !== "CONFIG_INVALID" && error.code !== "KEY_INVALID"))
    throw error;
  const [, option = "", ...reason] = error.message.split(": ");
  return [{ option, reason: reason.join(": ") }];
}

/** `dialects.0:12: rule 3: …`, as the compiler says it. */
function dialectProblem(fault: string): ConfigProblem {
  const [option = ""] = /^dialects\.\d+/.exec(fault) ?? [];
  return { option, reason: fault.slice(option.length + 1).replace(/^(?=\d+:)/, "line "), code: "dialect-invalid" };
}
