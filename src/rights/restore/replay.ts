/** What happened since a backup, queried for each subject and device during the restore. */
import type { Redis } from "ioredis";
import { z } from "zod";
import type { AuditHead } from "../../model/audit.ts";
import type { PartyStatement } from "../../model/consent-record.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { storedPages } from "../../platform/redis-values.ts";
import type { SubjectLine } from "../backup/archive.ts";
import type { JournalErasure, JournalHold, JournalReading, JournalToken } from "../journal/reading.ts";

/** Within this margin a fence change from before a subject's snapshot may be taken for a later one. */
const CLOCK_MARGIN_MS = 5 * 60_000;

const tombstone = z.object({ erasure: z.uuid(), at: z.number(), completedAt: z.number().optional() });

export class Replay {
  readonly #journal: JournalReading | undefined;
  readonly #everything: boolean;
  readonly #erasures = new Map<SubjectTag, Map<string, JournalErasure>>();

  /**
   * Without a journal all subjects count as having withdrawn. `everything`: all journal lines count, whenever the
   * subjects were read: it is unknown since when a Redis lost data.
   */
  constructor(journal: JournalReading | undefined, everything = false) {
    this.#journal = journal;
    this.#everything = everything;
    for (const [tag, ofSubject] of journal?.erasures ?? []) this.#erasures.set(tag, new Map(ofSubject));
  }

  /** Erasures known to the installation that is about to be replaced. */
  async addTombstones(redis: Redis, keyspace: Keyspace): Promise<void> {
    for await (const { items } of storedPages(redis, keyspace.tombstones)) {
      for (let index = 0; index + 1 < items.length; index += 2) {
        const stone = tombstone.safeParse(safeJson(items[index + 1] ?? ""));
        if (!stone.success) continue;
        const { erasure, at, completedAt } = stone.data;
        const tag = items[index] as SubjectTag;
        const ofSubject = this.#erasures.get(tag) ?? new Map<string, JournalErasure>();
        const destroyed = completedAt !== undefined || ofSubject.get(erasure)?.destroyed === true;
        this.#erasures.set(tag, ofSubject.set(erasure, { at: completedAt ?? at, destroyed }));
      }
    }
  }

  erasuresOf(tag: SubjectTag): { id: string; at: number; destroyed: boolean }[] {
    return [...(this.#erasures.get(tag) ?? [])].map(([id, erasure]) => ({ id, ...erasure }));
  }

  /** Whether the subject allowed less at any time after it was read for the backup. */
  narrowedSince({ tag, at, fields }: Pick<SubjectLine, "tag" | "at" | "fields">): boolean {
    if (this.#journal === undefined) return true;
    // A fence that is no number is below every other.
    return !(this.fenceSince({ tag, at, fields }) <= Number(fields.fence));
  }

  /** The highest fence recorded after the subject was read for the backup. */
  fenceSince({ tag, at }: Pick<SubjectLine, "tag" | "at" | "fields">): number {
    const entries = (this.#journal?.narrowed.get(tag) ?? []).filter((entry) => this.#counts(entry.at, at));
    return Math.max(0, ...entries.map(({ fence }) => fence));
  }

  /** Legal holds in their last state, if changed after the subject was read for the backup. */
  holdsSince({ tag, at }: Pick<SubjectLine, "tag" | "at">): JournalHold[] {
    const changes = (this.#journal?.holds.get(tag) ?? []).filter((change) => this.#counts(change.at, at));
    const latest = new Map<string, JournalHold>();
    for (const change of [...changes].sort((left, right) => left.at - right.at)) latest.set(change.ref, change);
    return [...latest.values()];
  }

  /** The subject's party status, if stated after it was read for the backup. */
  partySince({ tag, at }: Pick<SubjectLine, "tag" | "at">): PartyStatement | undefined {
    return latestOf((this.#journal?.parties.get(tag) ?? []).filter((one) => this.#counts(one.at, at)))?.party;
  }

  /** Subjects that are minors according to the journal. */
  *minors(): Generator<SubjectTag> {
    for (const [tag, parties] of this.#journal?.parties ?? []) if (latestOf(parties)?.party.minor) yield tag;
  }

  /** The last recorded token of a device. */
  tokenOf(device: DeviceKey): JournalToken | undefined {
    return this.#journal?.tokens.get(device);
  }

  /** Whether a registered service is as it was changed last. Without a journal that is not known of any. */
  serviceStands(name: string, hash: string): boolean {
    const latest = this.#journal?.services.get(name);
    return this.#journal !== undefined && (latest === undefined || latest.hash === hash);
  }

  /**
   * False when a registration as a hub or behind one may have ended since the backup: every end has a number, and so has every
   * token. Without a journal that is not known.
   */
  registrationStands(device: DeviceKey, number: number): boolean {
    return this.#journal !== undefined && (this.tokenOf(device)?.number ?? 0) <= number;
  }

  #counts(happenedAt: number, readAt: number): boolean {
    return this.#everything || happenedAt >= readAt - CLOCK_MARGIN_MS;
  }

  get audited(): readonly AuditHead[] {
    return this.#journal?.audited ?? [];
  }

  get policyVersion(): number {
    return this.#journal?.policyVersion ?? 0;
  }

  /** False when a key of the subject read at `readAt` may have been destroyed by an erasure since. */
  keyMayLive(tag: SubjectTag, readAt: number): boolean {
    // For an erasure that the ledger does not know, the key is removed together with the ledger.
    if (this.#everything) return true;
    return this.erasuresOf(tag).every(({ at, destroyed }) => !destroyed || at < readAt - CLOCK_MARGIN_MS);
  }
}

/** With several journals the lines come in any order. */
function latestOf<T extends { readonly at: number }>(entries: readonly T[]): T | undefined {
  return entries.reduce<T | undefined>((latest, one) => (one.at >= (latest?.at ?? 0) ? one : latest), undefined);
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
