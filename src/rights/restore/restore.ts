/**
 * Restores an installation from its archives. Everything is read and verified before anything is written; then it is
 * staged, and replaces the old values only when all of it is there. Whatever was withdrawn, erased or replaced since
 * the backup is withdrawn, erased or replaced again before a gateway may start.
 */
import type { Redis } from "ioredis";
import { GatewayError } from "../../model/errors.ts";
import { fingerprint } from "../../platform/keys/fingerprint.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import type { SealedHeader } from "../../platform/sealed-file/format.ts";
import { auditKey } from "../audit/chain.ts";
import { archiveLines, keysLine, ownArchive, recordsLine, subjectArchiveKey } from "../backup/archive.ts";
import { installationOf, isEmptyInstallation } from "../backup/installation.ts";
import { journalKey } from "../journal/format.ts";
import { readJournals } from "../journal/reading.ts";
import { RestoreMarker, type Stage } from "./marker.ts";
import { Replay } from "./replay.ts";
import { Staging } from "./staging.ts";
import type { RestoreSummary } from "./summary.ts";
import { type RestorePorts, RestoreWriter } from "./writer.ts";

export interface RestoreInput {
  /** Archive of records. */
  readonly records: string;
  /** Archive of subject keys; without it nothing restored can be processed before new consent. */
  readonly subjectKeys: string | undefined;
  /** Every journal of the installation; `lost`: all consent is withdrawn and no key restored. */
  readonly journals: readonly string[] | "lost";
  /** Whether an installation that is not empty may be replaced. */
  readonly replace: boolean;
  /** Everything in the journals since the last restore counts, not only what happened after the backup. */
  readonly everything?: boolean;
}

/** Current and former keys: an archive is opened by the key that sealed it. */
export interface RestoreKeys {
  readonly lookup: Buffer;
  readonly backup: readonly Buffer[];
  readonly masters: readonly Buffer[];
}

interface Opened {
  readonly records: { readonly file: string; readonly key: Buffer; readonly header: SealedHeader };
  readonly subjectKeys: Opened["records"] | undefined;
}

/** The journal is read from one day before the backup: clocks differ, and the ledger knows most of those lines. */
const CLOCK_MARGIN_MS = 24 * 60 * 60_000;

export class Restore {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #staging: Staging;
  readonly #keys: RestoreKeys;
  readonly #ports: RestorePorts;

  constructor(redis: Redis, keyspace: Keyspace, prefix: string, keys: RestoreKeys, ports: RestorePorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#staging = new Staging(redis, keyspace, prefix);
    this.#keys = keys;
    this.#ports = ports;
  }

  /**
   * Reads and verifies everything and reports what a restore would do; writes nothing. Damage limited to one subject is
   * counted and does not stop the others. Throws ARCHIVE_INVALID, JOURNAL_INVALID.
   */
  async check(input: RestoreInput): Promise<RestoreSummary> {
    const opened = await this.#open(input);
    const replay = await this.#replay(input, opened);
    const writer = new RestoreWriter(undefined, this.#keyspace, this.#ports, replay, keysCreatedAt(opened));
    await this.#pass(opened, writer, () => undefined);
    return { createdAt: opened.records.header.createdAt, ...writer.summary() };
  }

  /**
   * Throws what `check` throws, and RESTORE_REFUSED: gateway-running, restore-running, not-empty. Before the last step
   * a failure leaves everything unchanged. After that the staged values remain, no gateway starts, and the next restore
   * first completes this one.
   */
  async run(input: RestoreInput): Promise<RestoreSummary> {
    await this.check(input);
    const marker = new RestoreMarker(this.#redis, this.#keyspace);
    const brokenOff = await marker.raise();
    let waits = brokenOff !== "staging";
    let complete = false;
    try {
      if (!input.replace && !(await isEmptyInstallation(this.#redis, this.#keyspace))) {
        throw new GatewayError("RESTORE_REFUSED", "not-empty");
      }
      if (waits && !(await this.#staging.isEmpty())) await this.#swap(marker, brokenOff);
      await marker.begin("staging");
      waits = false;
      const opened = await this.#open(input);
      const replay = await this.#replay(input, opened);
      await replay.addTombstones(this.#redis, this.#keyspace);
      const writer = new RestoreWriter(this.#redis, this.#keyspace, this.#ports, replay, keysCreatedAt(opened));
      await this.#staging.clear();
      await this.#pass(opened, writer, () => marker.held());
      const auditRepair = await this.#staging.unite([auditKey(this.#keys.lookup)], this.#ports.now);
      waits = true;
      await this.#swap(marker, "staging");
      complete = true;
      return { createdAt: opened.records.header.createdAt, ...writer.summary(), auditRepair };
    } catch (error) {
      // If another restore took over, the staged values belong to that one.
      if (!waits && marker.ours) await this.#staging.clear().catch(() => undefined);
      throw error;
    } finally {
      await marker.lower(complete);
    }
  }

  /** Continues where it was interrupted: once values begin to move into place nothing is removed any more. */
  async #swap(marker: RestoreMarker, from: Stage): Promise<void> {
    const held = () => marker.held();
    if (from !== "taking") {
      await marker.begin("removing");
      await this.#staging.removeOld(held);
      await marker.begin("taking");
    }
    await this.#staging.take(held);
  }

  async #pass({ records, subjectKeys }: Opened, writer: RestoreWriter, held: () => void): Promise<void> {
    if (subjectKeys !== undefined) {
      for await (const line of archiveLines(subjectKeys.file, subjectKeys.key, keysLine)) {
        held();
        await writer.keys.add(line);
      }
      await writer.keysEnded();
    }
    for await (const line of archiveLines(records.file, records.key, recordsLine)) {
      held();
      await writer.line(line);
    }
    await writer.end();
  }

  async #open({ records, subjectKeys, journals }: RestoreInput): Promise<Opened> {
    const installation = installationOf(this.#keys.lookup);
    const header = await ownArchive(records, "records", installation);
    const opened = { file: records, header, key: keyOf(header, this.#keys.backup) };
    if (subjectKeys === undefined) return { records: opened, subjectKeys: undefined };
    if (journals === "lost") throw new GatewayError("RESTORE_REFUSED", "subject-keys-need-a-journal");
    const keysHeader = await ownArchive(subjectKeys, "subject-keys", installation);
    // An older archive could contain a key that was destroyed before the records were read.
    if (keysHeader.createdAt < header.createdAt)
      throw new GatewayError("ARCHIVE_INVALID", "subject-keys-older-than-records");
    const key = keyOf(keysHeader, this.#keys.masters.map(subjectArchiveKey));
    return { records: opened, subjectKeys: { file: subjectKeys, header: keysHeader, key } };
  }

  async #replay({ journals, everything = false }: RestoreInput, { records, subjectKeys }: Opened): Promise<Replay> {
    if (journals === "lost") return new Replay(undefined);
    const question = {
      key: journalKey(this.#keys.lookup),
      sinceMs: records.header.createdAt - CLOCK_MARGIN_MS,
      anchors: [...records.header.journals, ...(subjectKeys?.header.journals ?? [])],
    };
    if (!everything) return new Replay(await readJournals(journals, question));
    const { restoredAt } = await readJournals(journals, { ...question, sinceMs: Number.POSITIVE_INFINITY });
    return new Replay(await readJournals(journals, { ...question, sinceMs: restoredAt }), true);
  }
}

function keysCreatedAt({ subjectKeys }: Opened): number {
  return subjectKeys?.header.createdAt ?? 0;
}

function keyOf({ keyId }: SealedHeader, keys: readonly Buffer[]): Buffer {
  const key = keys.find((one) => fingerprint(one) === keyId);
  if (key === undefined) throw new GatewayError("ARCHIVE_INVALID", "foreign-key");
  return key;
}
