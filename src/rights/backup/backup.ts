/**
 * Takes a backup while gateways run: one archive with everything that cannot be recomputed, and one with only the
 * wrapped subject keys. Each subject is read in one transaction, so ledger, head and key match; different subjects need
 * no common point in time.
 */
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Redis } from "ioredis";
import type { AuditProblem } from "../../model/audit.ts";
import { DAMAGE_KINDS, type DamageKind } from "../../model/damage.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { type JournalHead, journalHead } from "../../model/journal-head.ts";
import { SCHEMA } from "../../model/schema.ts";
import { liveGateways } from "../../platform/keys/presence.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { orRedisUnavailable } from "../../platform/redis.ts";
import { execAll, execEach, keysLike, storedPages } from "../../platform/redis-values.ts";
import { SealedFileWriter } from "../../platform/sealed-file/writer.ts";
import { auditKey } from "../audit/chain.ts";
import { erasureIdsIn, splitErasure } from "../erasure/in-ledger.ts";
import {
  archiveName,
  archivesIn,
  type KeysLine,
  type RecordsLine,
  removeLeftovers,
  subjectArchiveKey,
} from "./archive.ts";
import { auditCut } from "./audit-cut.ts";
import { SHARED_NAMES } from "./catalogue.ts";
import { installationOf } from "./installation.ts";

export interface BackupKeys {
  readonly lookup: Buffer;
  readonly master: Buffer;
  readonly backup: Buffer;
}

export interface BackupResult {
  /** Paths of the two archives. */
  readonly records: string;
  readonly subjectKeys: string;
  readonly subjects: number;
  readonly credentials: number;
  readonly keys: number;
  /** Problem found in the audit log; the log is backed up unchanged. */
  readonly auditProblem: AuditProblem | undefined;
  /** Damaged records: they are included unchanged, and a restore continues without them. */
  readonly damaged: Readonly<Record<DamageKind, number>>;
}

/** Whether the backup can be used again; without this check the archives are not examined. */
export interface BackupCheck {
  ledger(tag: SubjectTag, head: string, events: readonly string[]): boolean;
  key(wrappedSubjectKey: string): boolean;
}

const SUBJECTS_AT_ONCE = 25;
const MAX_ATTEMPTS = 10;
/** As many as fit into a header. */
const MAX_JOURNALS = 32;

/** After a restore this marks a record to repair: without it the erasure would look as if it had never begun. */
const UNREADABLE = { requestedAt: "unreadable" };
const UNCHECKED: BackupCheck = { ledger: () => true, key: () => true };

interface SubjectReading {
  readonly line: Extract<RecordsLine, { is: "subject" }>;
  readonly keys: Extract<KeysLine, { is: "key" }>[];
  /** Values of another type than the gateway writes; they are not in the line. */
  readonly damaged: readonly DamageKind[];
}

export class Backup {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #prefix: string;
  readonly #check: BackupCheck;

  constructor(redis: Redis, keyspace: Keyspace, prefix: string, check: BackupCheck = UNCHECKED) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#prefix = prefix;
    this.#check = check;
  }

  /**
   * Writes both archives into `dir` (created when missing) or none. Older key archives there are removed: they still
   * contain the keys of subjects erased since, and with the newest one every older archive of records can be restored.
   * `journal` is the journal head of the caller; heads reported by live gateways are added. Throws JOURNAL_INVALID,
   * REDIS_UNAVAILABLE and file-system errors.
   */
  async take(dir: string, keys: BackupKeys, journal: JournalHead | undefined, now = Date.now()): Promise<BackupResult> {
    const journals = await this.#journals(journal);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await removeLeftovers(dir);
    const installation = installationOf(keys.lookup);
    const earlier = await archivesIn(dir, "subject-keys", installation);
    const about = { schema: SCHEMA, createdAt: now, installation, backup: randomBytes(8).toString("hex"), journals };
    const names = {
      records: join(dir, archiveName(about, "records")),
      keys: join(dir, archiveName(about, "subject-keys")),
    };
    const records = new SealedFileWriter(names.records, keys.backup, { ...about, kind: "records" });
    const subjectKeys = new SealedFileWriter(names.keys, subjectArchiveKey(keys.master), {
      ...about,
      kind: "subject-keys",
    });
    try {
      const counts = await orRedisUnavailable(() => this.#write(records, subjectKeys, [auditKey(keys.lookup)]));
      // The keys first: an archive of records without keys would look like a complete backup.
      await subjectKeys.finish();
      await records.finish();
      for (const file of earlier) await rm(file, { force: true });
      return { records: names.records, subjectKeys: names.keys, ...counts };
    } catch (error) {
      await Promise.all([records.abandon(), subjectKeys.abandon()]);
      throw error;
    }
  }

  /** Taken before anything is read: the archive may lack whatever a journal recorded after this. */
  async #journals(own: JournalHead | undefined): Promise<JournalHead[]> {
    const told = (await liveGateways(this.#redis, this.#keyspace)).map(
      ({ journal }) => journalHead.safeParse(journal).data,
    );
    const heads = [own, ...told].filter((head) => head !== undefined);
    // Without one a restore could not distinguish a complete journal from an empty one.
    if (heads.length === 0) throw new GatewayError("JOURNAL_INVALID", "missing");
    // If two lines report the same run, the later one counts.
    const latest = new Map<string, JournalHead>();
    for (const head of heads) if (head[1] >= (latest.get(head[0])?.[1] ?? 0)) latest.set(head[0], head);
    return [...latest.values()].slice(0, MAX_JOURNALS);
  }

  async #write(records: SealedFileWriter, keys: SealedFileWriter, auditKeys: readonly Buffer[]) {
    const damaged = Object.fromEntries(DAMAGE_KINDS.map((kind) => [kind, 0])) as Record<DamageKind, number>;
    const counts = { subjects: 0, credentials: 0, keys: 0, damaged };
    const record = (line: RecordsLine) => records.line(JSON.stringify(line));
    const key = (line: KeysLine) => keys.line(JSON.stringify(line));
    for await (const { line, keys: wrapped, damaged: misshapen } of this.#subjects()) {
      for (const kind of misshapen) damaged[kind] += 1;
      if (!misshapen.includes("ledger") && !this.#check.ledger(line.tag, line.fields.head, line.events))
        damaged.ledger += 1;
      damaged["subject-key"] += wrapped.filter((one) => !this.#check.key(one.key)).length;
      counts.subjects += 1;
      counts.keys += wrapped.length;
      await record(line);
      for (const one of wrapped) await key(one);
    }
    for await (const line of this.#credentials()) {
      if (line === undefined) {
        damaged.credential += 1;
        continue;
      }
      counts.credentials += 1;
      await record(line);
    }
    const audit = auditCut(this.#redis, this.#keyspace, auditKeys);
    for await (const page of audit.pages()) await record({ is: "shared", ...page });
    for (const name of SHARED_NAMES) {
      if (name === "auditLines" || name === "auditSeal") continue;
      for await (const { kind, first, items } of storedPages(this.#redis, this.#keyspace[name])) {
        await record({ is: "shared", name, kind, first, items: [...items] });
      }
    }
    await record({ is: "end", subjects: counts.subjects, credentials: counts.credentials, keys: 0 });
    await key({ is: "end", subjects: 0, credentials: 0, keys: counts.keys });
    return { ...counts, auditProblem: audit.problem };
  }

  async *#subjects(): AsyncGenerator<SubjectReading> {
    for await (const tags of this.#tags()) {
      for (let at = 0; at < tags.length; at += SUBJECTS_AT_ONCE) {
        const readings = await Promise.all(tags.slice(at, at + SUBJECTS_AT_ONCE).map((tag) => this.#subject(tag)));
        yield* readings.filter((reading) => reading !== undefined);
      }
    }
  }

  /** All subjects with a hash or, where the hash was lost, with a ledger. */
  async *#tags(): AsyncGenerator<SubjectTag[]> {
    const pattern = new RegExp(`^${this.#prefix}:\\{([A-Za-z0-9_-]{22})\\}:(?:subject|ledger)$`);
    const tagsIn = (names: readonly string[]) =>
      names.flatMap((name) => (pattern.exec(name)?.[1] ?? []) as SubjectTag | []);
    for await (const names of keysLike(this.#redis, this.#keyspace.subject("*" as SubjectTag))) yield tagsIn(names);
    for await (const names of keysLike(this.#redis, this.#keyspace.ledger("*" as SubjectTag))) {
      const tags = tagsIn(names);
      const asked = this.#redis.pipeline();
      for (const tag of tags) asked.exists(this.#keyspace.subject(tag));
      const known = await execAll(asked);
      yield tags.filter((_, index) => known[index] === 0);
    }
  }

  async #subject(tag: SubjectTag): Promise<SubjectReading | undefined> {
    let erasures: readonly string[] = [];
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const transaction = this.#redis.multi().time().hgetall(this.#keyspace.subject(tag));
      transaction.lrange(this.#keyspace.ledger(tag), 0, -1);
      transaction.hgetall(this.#keyspace.disclosures(tag));
      for (const id of erasures) transaction.hgetall(this.#keyspace.erasure(tag, id));
      const replies = await execEach(transaction);
      const [time, subject, texts, disclosures, ...records] = replies;
      const { head = "", fence = "0", key, ...more } = (subject ?? {}) as Record<string, string>;
      const events = (texts ?? []) as string[];
      if (subject !== undefined && head === "" && texts !== undefined && events.length === 0) return undefined;
      const misshapen: DamageKind[] = [];
      if (subject === undefined || texts === undefined) misshapen.push("ledger");
      if (disclosures === undefined) misshapen.push("account");
      for (const record of records) if (record === undefined) misshapen.push("erasure");
      // The subject's ledger lists its erasures; if it has more by now, everything is read again.
      const named = erasureIdsIn(events);
      if (named.length !== erasures.length) {
        erasures = named;
        continue;
      }
      const parts = named.map((id, index) => ({
        id,
        ...splitErasure((records[index] ?? UNREADABLE) as Record<string, string>),
      }));
      const wrapped = [{ name: "", key }, ...parts.map((part) => ({ name: part.id, key: part.key }))];
      return {
        line: {
          is: "subject",
          tag,
          at: millisecondsOf(time),
          fields: { head, fence, ...more },
          events,
          erasures: Object.fromEntries(parts.map(({ id, rest }) => [id, rest])),
          disclosures: (disclosures ?? {}) as Record<string, string>,
        },
        damaged: misshapen,
        keys: wrapped.flatMap(({ name, key: one }) => (one ? [{ is: "key" as const, tag, name, key: one }] : [])),
      };
    }
    throw new GatewayError("CONSENT_CONFLICT", "reading a subject");
  }

  async *#credentials() {
    const prefix = this.#keyspace.credential("" as DeviceKey);
    for await (const names of keysLike(this.#redis, `${prefix}*`)) {
      const pipeline = this.#redis.pipeline();
      for (const name of names) pipeline.hgetall(name);
      pipeline.time();
      const replies = await execEach(pipeline);
      const at = millisecondsOf(replies.at(-1));
      for (const [index, name] of names.entries()) {
        const fields = replies[index] as Record<string, string> | undefined;
        if (fields === undefined) {
          yield undefined;
          continue;
        }
        const device = name.slice(prefix.length) as DeviceKey;
        if (Object.keys(fields).length > 0) yield { is: "credential" as const, device, at, fields };
      }
    }
  }
}

/** The reply of TIME. */
function millisecondsOf(reply: unknown): number {
  const [seconds, micros] = reply as [string | number, string | number];
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}
