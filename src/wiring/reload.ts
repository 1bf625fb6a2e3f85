/**
 * The configuration, read again while the gateway runs. Everything is read, checked and compiled before anything changes, so that a
 * fault anywhere refuses the whole. What changes then does so in one synchronous step: no message is between the old and the new.
 *
 * Properties may be added and nothing else: whatever waits in the queue means the same afterwards. They come into force downstream
 * first, as the parts of the gateway do.
 */
import { type LiveOption, needRestart } from "../config/changes.ts";
import type { Examined } from "../config/load.ts";
import type { ConfigProblem } from "../config/problems.ts";
import type { Config } from "../config/schema.ts";
import { certificateEnd } from "../ingress/mqtt/listeners.ts";
import { GatewayError } from "../model/errors.ts";
import type { Property } from "../model/property.ts";
import type { Reloaded } from "../model/reload.ts";
import { faultCode } from "../platform/fault-code.ts";
import { rememberProperties } from "../platform/known-properties.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import { growthOf } from "../vocabulary/growth.ts";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import type { Base } from "./base.ts";
import type { Ingress } from "./ingress.ts";
import { examineNamedFiles, type NamedFiles } from "./named-files.ts";

/** Where the configuration came from, and what of the process it sets. */
export interface Origin {
  /** Reads file and environment again. */
  examine(): Examined;
  useLogLevel(level: Config["observe"]["logLevel"]): void;
}

export interface ReloadDeps {
  readonly origin: Origin;
  readonly audit: Pick<AuditTrail, "note">;
  readonly ingress: Pick<Ingress, "useCertificate" | "dialectsChanged">;
  readonly deidentifier: { dialectsChanged(): void; useDensities(rows: NamedFiles["densities"]): boolean };
  /** What tells or keeps properties, the last that a message meets first. */
  readonly tellers: readonly { useProperties(properties: readonly Property[]): void }[];
}

/** A configuration without a fault, and what it needs that was read and made for it. */
interface Prepared {
  readonly next: Config;
  readonly files: NamedFiles;
  /** Absent: nothing was added. */
  readonly vocabulary: Vocabulary | undefined;
  /** Properties that would be gone, or mean something else. */
  readonly propertiesDiffer: boolean;
}

type Checked = { readonly refused: readonly ConfigProblem[] } | (Prepared & { readonly refused?: undefined });

/** Faults whose name is no option: it could be a value in the wrong place, so the log does not repeat it. */
const NAMES_NONE = new Set(["unknown-option", "unknown-variable"]);
const MOST_LOGGED = 20;
const POLICY_FILE = "consent.policyFile";

export class Reload {
  readonly #base: Base;
  readonly #deps: ReloadDeps;
  #running: Config;
  #certificate: NamedFiles["certificate"];
  /** Digest of the policy that the gateway has started with. */
  #policy = "";
  #turn: Promise<unknown> = Promise.resolve();
  #waiting: Promise<Reloaded> | undefined;

  constructor(base: Base, deps: ReloadDeps) {
    this.#base = base;
    this.#deps = deps;
    this.#running = base.config;
  }

  /** What the gateway has started with. */
  started({ certificate, policy }: NamedFiles): void {
    this.#policy = policy;
    this.#useCertificateFile(certificate);
  }

  #useCertificateFile(certificate: NamedFiles["certificate"]): void {
    this.#certificate = certificate;
    const end = certificate === undefined ? 0 : certificateEnd(certificate);
    this.#base.metrics.gauge("certificateExpires", end / 1_000);
    // It starts all the same: what is connected, and what comes without TLS, is not to suffer.
    if (certificate !== undefined && end <= Date.now())
      this.#base.log.error("the certificate is good no longer", { option: "mqtt.tls.certFile" });
  }

  get running(): Config {
    return this.#running;
  }

  /** Of MQTT over TLS, as it is in use. */
  get certificate(): NamedFiles["certificate"] {
    return this.#certificate;
  }

  /** By SIGHUP. Never rejects: the log says what became of it. */
  async bySignal(): Promise<void> {
    const outcome = await this.run().then(
      ({ refused }) => (refused === undefined ? "done" : "refused"),
      () => "failed" as const,
    );
    await this.#deps.audit.note({ act: "configuration-reloaded", by: "operator", outcome });
  }

  /** Reads it again; who asks while that is still to begin shares the answer. Throws REDIS_UNAVAILABLE, and nothing has changed. */
  run(): Promise<Reloaded> {
    this.#waiting ??= this.#turn.then(() => {
      this.#waiting = undefined;
      return this.#reload();
    });
    this.#turn = this.#waiting.catch(() => undefined);
    return this.#waiting;
  }

  async #reload(): Promise<Reloaded> {
    const { log, redis, keyspace } = this.#base;
    const checked = this.#checked();
    if (checked.refused !== undefined) return this.#refused(checked.refused);
    try {
      if (checked.vocabulary !== undefined)
        await rememberProperties(redis.store, keyspace, checked.vocabulary.properties);
    } catch (error) {
      if (error instanceof GatewayError && error.code === "PROPERTY_CHANGED")
        return this.#refused([{ option: "properties", reason: error.code }]);
      log.error("configuration not reloaded", { code: faultCode(error) });
      throw error;
    }
    return this.#use(checked);
  }

  #checked(): Checked {
    const { config: next, problems, placeOf } = this.#deps.origin.examine();
    if (next === undefined) return { refused: problems };
    const growth = growthOf(this.#running.properties, next.properties);
    const vocabulary =
      growth === "added" ? new Vocabulary(next.properties, this.#running.deidentify.storedValues) : undefined;
    const { files, problems: ofFiles } = examineNamedFiles(next, vocabulary ?? this.#base.vocabulary);
    const all = [...problems, ...ofFiles.map((one) => ({ ...one, place: one.place ?? placeOf(one.option) }))];
    return all.length > 0 ? { refused: all } : { next, files, vocabulary, propertiesDiffer: growth === "changed" };
  }

  #refused(problems: readonly ConfigProblem[]): Reloaded {
    const { log } = this.#base;
    for (const { option, reason, code = reason, place = "" } of problems.slice(0, MOST_LOGGED)) {
      const [, line] = /:(\d+)$/.exec(place) ?? [];
      log.error("option refused", {
        reason: code,
        ...(!NAMES_NONE.has(code) && { option }),
        ...(line !== undefined && { line: Number(line) }),
      });
    }
    log.error("configuration refused, the running one stays", { code: "CONFIG_INVALID", count: problems.length });
    return { refused: problems.map(({ option, reason, place }) => ({ option, reason, place })) };
  }

  /** Without a pause, and without anything that can fail. */
  #use(prepared: Prepared): Reloaded {
    const { next, propertiesDiffer } = prepared;
    const before = this.#running;
    const changed: LiveOption[] = [
      ...this.#useCertificate(prepared),
      ...this.#useProperties(prepared),
      ...this.#useDialects(prepared),
      ...this.#useDensities(prepared),
    ];
    const levelChanged = next.observe.logLevel !== before.observe.logLevel;
    if (levelChanged) changed.push("observe.logLevel");
    const waiting = [...needRestart(before, next), ...(propertiesDiffer ? ["properties"] : [])];
    // To publish is for a token of scope `policy`, and can't be taken back: reading again does not do it.
    if (prepared.files.policy !== this.#policy && !waiting.includes(POLICY_FILE)) waiting.unshift(POLICY_FILE);
    const { certFile, keyFile } = next.mqtt.tls;
    const { densityFile } = next.deidentify.location;
    this.#running = {
      ...before,
      observe: { ...before.observe, logLevel: next.observe.logLevel },
      mqtt: { ...before.mqtt, tls: { ...before.mqtt.tls, certFile, keyFile } },
      deidentify: { ...before.deidentify, location: { ...before.deidentify.location, densityFile } },
      properties: propertiesDiffer ? before.properties : next.properties,
      dialects: next.dialects,
    };
    // At the level that says more: else turning it down would be the one change that goes unsaid.
    const quieter = next.observe.logLevel !== "info";
    if (levelChanged && !quieter) this.#deps.origin.useLogLevel(next.observe.logLevel);
    this.#say(changed, waiting);
    if (levelChanged && quieter) this.#deps.origin.useLogLevel(next.observe.logLevel);
    return { changed, needRestart: waiting };
  }

  #say(changed: readonly string[], waiting: readonly string[]): void {
    const { log } = this.#base;
    for (const option of changed) log.info("option changed", { option });
    for (const option of waiting) log.warn("option needs a restart", { option });
    log.info("configuration reloaded", { count: changed.length });
  }

  #useCertificate({ files: { certificate } }: Prepared): LiveOption[] {
    const before = this.#certificate;
    if (certificate === undefined || before === undefined) return [];
    const changed: LiveOption[] = [];
    if (!certificate.cert.equals(before.cert)) changed.push("mqtt.tls.certFile");
    if (!certificate.key.equals(before.key)) changed.push("mqtt.tls.keyFile");
    if (changed.length === 0) return [];
    this.#useCertificateFile(certificate);
    this.#deps.ingress.useCertificate(certificate);
    return changed;
  }

  #useProperties({ vocabulary }: Prepared): LiveOption[] {
    if (vocabulary === undefined) return [];
    for (const teller of this.#deps.tellers) teller.useProperties(vocabulary.properties);
    // Last: from here on they are admitted.
    this.#base.vocabulary.become(vocabulary);
    return ["properties"];
  }

  #useDialects({ files: { ownDialects } }: Prepared): LiveOption[] {
    if (!this.#base.dialects.useOwn(ownDialects)) return [];
    this.#deps.deidentifier.dialectsChanged();
    this.#deps.ingress.dialectsChanged();
    return ["dialects"];
  }

  #useDensities({ files: { densities } }: Prepared): LiveOption[] {
    return this.#deps.deidentifier.useDensities(densities) ? ["deidentify.location.densityFile"] : [];
  }
}
