/**
 * Takes the archive lines one by one, replays what happened since, and writes the result to staged names; without a
 * Redis it only checks whether everything could be written.
 */
import type { Redis } from "ioredis";
import { type RebuiltSubject, rebuildSubject, type SavedSubject, type Since } from "../../consent/ledger/rebuild.ts";
import { damageIn } from "../../model/damage.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { writePage } from "../../platform/redis-values.ts";
import { entryHash } from "../../services/entry-text.ts";
import { linesFrom, revisionsErased } from "../access/disclosures.ts";
import type { CredentialLine, RecordsLine, SharedLine, SubjectLine } from "../backup/archive.ts";
import type { SharedName } from "../backup/catalogue.ts";
import { credentialSince } from "./credential.ts";
import type { Replay } from "./replay.ts";
import { type KeyringPort, StagedKeys } from "./staged-keys.ts";
import { StagedWrites } from "./staged-writes.ts";
import { waitingName } from "./staging.ts";
import type { RestoreSummary } from "./summary.ts";

export interface RestorePorts {
  readonly keyring: KeyringPort;
  /** Policy floors that no consent reaches until this version is published. */
  closedFloors(version: number): string;
  /** Unix ms. */
  now(): number;
}

const EVENTS_PER_PUSH = 500;

type Remains = NonNullable<SavedSubject["remains"]>;

export class RestoreWriter {
  readonly #staged: StagedWrites;
  readonly #keyspace: Keyspace;
  readonly #ports: RestorePorts;
  readonly #replay: Replay;
  /** To be added first; they end with `keysEnded`. */
  readonly keys: StagedKeys;
  readonly #counts = {
    subjects: 0,
    credentials: 0,
    erased: 0,
    erasing: 0,
    held: 0,
    withdrawn: 0,
    tokensDropped: 0,
    servicesDropped: 0,
    broken: 0,
  };
  readonly #broken = new Map<SubjectTag, SubjectLine>();
  readonly #boundTo = new Map<SubjectTag, DeviceKey[]>();
  /** From the index of holds, which follows the subjects. */
  readonly #heldUntil = new Map<string, number>();
  readonly #begun: { tag: SubjectTag; id: string; at: number }[] = [];
  readonly #seen = new Set<SubjectTag>();
  /** Erasures open when their subject was read, whatever the lists read a moment later say. */
  readonly #underWay: { tag: SubjectTag; id: string }[] = [];
  readonly #held = new Map<SubjectTag, number>();
  readonly #tombstones = new Map<SubjectTag, string>();
  #policyVersion = 0;

  constructor(redis: Redis | undefined, keyspace: Keyspace, ports: RestorePorts, replay: Replay, keysReadAt: number) {
    this.#staged = new StagedWrites(redis);
    this.#keyspace = keyspace;
    this.#ports = ports;
    this.#replay = replay;
    this.keys = new StagedKeys(this.#staged, keyspace, ports.keyring, replay, keysReadAt);
  }

  /** After the last key and before the first record. */
  async keysEnded(): Promise<void> {
    await this.#staged.flush();
  }

  async line(line: Exclude<RecordsLine, { is: "end" }>): Promise<void> {
    if (line.is === "subject") await this.#subject(line);
    if (line.is === "credential") await this.#credential(line);
    if (line.is === "shared") await this.#shared(line);
  }

  async end(): Promise<void> {
    // A child known as such only after the backup: when bound again, it must not count as an adult.
    const nothing = { at: 0, fields: { head: "", fence: "0" }, events: [], erasures: {}, disclosures: {} };
    for (const tag of this.#replay.minors())
      if (!this.#seen.has(tag)) await this.#subject({ is: "subject", tag, ...nothing }, { unknown: true });
    for (const [tag, line] of this.#broken) {
      const fence = Number(line.fields.fence);
      const remains = { fence, bound: this.#boundTo.get(tag) ?? [], heldUntil: this.#heldUntil.get(tag) };
      await this.#subject(line, { remains });
    }
    const { openErasures, erasureIndex, tombstones, policyFloors, heldSubjects } = this.#keyspace;
    await this.keys.writeDead(this.#ports.now());
    for (const [tag, until] of this.#held)
      await this.#staged.add((to) => to.zadd(waitingName(heldSubjects), until, tag));
    for (const { tag, id, at } of this.#begun) {
      await this.#staged.add((to) => to.sadd(waitingName(openErasures), id).hset(waitingName(erasureIndex), id, tag));
      this.#tombstones.set(tag, JSON.stringify({ erasure: id, at }));
    }
    for (const { tag, id } of this.#underWay)
      await this.#staged.add((to) => to.sadd(waitingName(openErasures), id).hset(waitingName(erasureIndex), id, tag));
    for (const [tag, stone] of this.#tombstones)
      await this.#staged.add((to) => to.hset(waitingName(tombstones), tag, stone));
    if (this.#policyMissing) {
      const closed = this.#ports.closedFloors(this.#replay.policyVersion);
      await this.#staged.add((to) => to.set(waitingName(policyFloors), closed));
    }
    await this.#staged.flush();
    // Keys of subjects and erasures that the older records do not know.
    await this.#staged.dropWithout("head", this.#keyspace.subject("*" as SubjectTag));
    await this.#staged.dropWithout("requestedAt", this.#keyspace.erasure("*" as SubjectTag, "*"));
  }

  summary(): Omit<RestoreSummary, "createdAt"> {
    return { ...this.#counts, ...this.keys.counts, audited: this.#replay.audited, policyMissing: this.#policyMissing };
  }

  get #policyMissing(): boolean {
    return this.#replay.policyVersion > this.#policyVersion;
  }

  /** `unknown`: the archive has no line of the subject, so there is no head to match. */
  async #subject(
    line: SubjectLine,
    { unknown = false, remains }: { unknown?: boolean; remains?: Remains } = {},
  ): Promise<void> {
    const { tag, fields, events, erasures, disclosures } = line;
    this.#seen.add(tag);
    // For a new chain this was already recorded the first time.
    if (remains === undefined)
      for (const [id, { step }] of Object.entries(erasures)) if (step !== undefined) this.#underWay.push({ tag, id });
    const wrappedSubjectKey = await this.keys.of(tag);
    const since = {
      withdraw: this.#replay.narrowedSince(line),
      fence: this.#replay.fenceSince(line),
      party: this.#replay.partySince(line),
      holds: this.#replay.holdsSince(line),
      erasures: this.#replay.erasuresOf(tag),
    };
    const saved = { tag, head: unknown ? undefined : fields.head, events, wrappedSubjectKey, remains };
    const rebuilt = this.#rebuilt(saved, since);
    if (rebuilt === undefined) {
      // What else is known of them follows later in the archive.
      this.#broken.set(tag, line);
      return;
    }
    this.#count(line, rebuilt);
    if (rebuilt.heldUntil !== undefined) this.#held.set(tag, rebuilt.heldUntil);

    const name = (key: string) => waitingName(key);
    const hash = name(this.#keyspace.subject(tag));
    const begunNow = rebuilt.begun.at(-1);
    const { erasure: _erasure, ...rest } = fields;
    const running = begunNow?.id ?? this.#stillRunning(line);
    await this.#staged.add((to) => {
      to.hset(hash, {
        ...rest,
        head: rebuilt.head,
        fence: rebuilt.fence,
        ...(running !== undefined && { erasure: running }),
      });
      if (rebuilt.wrappedSubjectKey === undefined) to.hdel(hash, "key");
      to.del(name(this.#keyspace.ledger(tag)));
      for (let at = 0; at < rebuilt.events.length; at += EVENTS_PER_PUSH) {
        to.rpush(name(this.#keyspace.ledger(tag)), ...rebuilt.events.slice(at, at + EVENTS_PER_PUSH));
      }
      if (rebuilt.devices.length > 0) to.sadd(name(this.#keyspace.devices(tag)), ...rebuilt.devices);
      for (const [device, decision] of rebuilt.decisions) to.set(name(this.#keyspace.decision(tag, device)), decision);
      for (const [id, record] of Object.entries(erasures)) {
        const destroyed = since.erasures.find((one) => one.id === id && one.destroyed);
        const gone = destroyed && { destroyedAt: destroyed.at, ledgerHead: rebuilt.head };
        if (Object.keys(record).length > 0) to.hset(name(this.#keyspace.erasure(tag, id)), { ...gone, ...record });
      }
      // What an erasure deleted since the backup is not restored, nor are the lines of an erasure that begins again.
      const account = linesFrom(this.#erasedUpTo(tag, rebuilt), disclosures);
      if (Object.keys(account).length > 0) to.hset(name(this.#keyspace.disclosures(tag)), account);
      for (const { id, facts, wrappedSubjectKey: key } of rebuilt.begun) {
        const at = since.erasures.find((one) => one.id === id)?.at ?? this.#ports.now();
        const record = {
          requestedAt: at,
          facts: JSON.stringify(facts),
          step: "drain",
          ...(key !== undefined && { key }),
        };
        to.hset(name(this.#keyspace.erasure(tag, id)), record);
        this.#begun.push({ tag, id, at });
      }
    });
  }

  #rebuilt(saved: SavedSubject, since: Since): RebuiltSubject | undefined {
    try {
      return rebuildSubject(saved, since, this.#ports.now());
    } catch (error) {
      if (saved.remains !== undefined || damageIn(error) !== "ledger") throw error;
      this.#counts.broken += 1;
      return undefined;
    }
  }

  /** The ledger revision of the last completed erasure's request. */
  #erasedUpTo(tag: SubjectTag, { events }: RebuiltSubject): number {
    const destroyed = this.#replay.erasuresOf(tag).flatMap((one) => (one.destroyed ? [one.id] : []));
    return revisionsErased(events, destroyed);
  }

  /** The erasure named in the subject hash, unless its key is destroyed by now. */
  #stillRunning({ tag, fields }: SubjectLine): string | undefined {
    const { erasure } = fields as Record<string, string>;
    const done = this.#replay.erasuresOf(tag).some(({ id, destroyed }) => id === erasure && destroyed);
    return done ? undefined : erasure;
  }

  #count({ tag, events, at }: SubjectLine, rebuilt: RebuiltSubject): void {
    const added = rebuilt.events.slice(events.length).map((text) => (JSON.parse(text) as { type: string }).type);
    this.#counts.subjects += 1;
    if (rebuilt.begun.length > 0) this.#counts.erasing += 1;
    if (added.includes("held")) this.#counts.held += 1;
    if (added.includes("withdrawn")) this.#counts.withdrawn += 1;
    if (!added.includes("erased")) return;
    this.#counts.erased += 1;
    const latest = this.#replay.erasuresOf(tag).findLast(({ destroyed }) => destroyed);
    const stone = { erasure: latest?.id, at: latest?.at ?? at, completedAt: latest?.at ?? at, head: rebuilt.head };
    this.#tombstones.set(tag, JSON.stringify(stone));
  }

  async #credential({ device, fields }: CredentialLine): Promise<void> {
    this.#counts.credentials += 1;
    const owner = fields.tag as SubjectTag | undefined;
    if (owner !== undefined && this.#broken.has(owner))
      this.#boundTo.set(owner, [...(this.#boundTo.get(owner) ?? []), device]);
    const { kept, tokenDropped } = credentialSince(device, fields, this.#replay);
    if (tokenDropped) this.#counts.tokensDropped += 1;
    const key = waitingName(this.#keyspace.credential(device));
    await this.#staged.add((to) => {
      to.del(key);
      if (Object.keys(kept).length > 0) to.hset(key, kept);
      const { hub, hubAlias } = kept;
      if (hub !== undefined && hubAlias !== undefined)
        to.hset(waitingName(this.#keyspace.children(hub as DeviceKey)), hubAlias, device);
    });
  }

  async #shared({ name, kind, first, items }: SharedLine): Promise<void> {
    if (name === "policies") {
      const versions = items.filter((_, index) => index % 2 === 0).map(Number);
      this.#policyVersion = Math.max(this.#policyVersion, ...versions);
    }
    if (name === "heldSubjects" && this.#broken.size > 0) {
      // Alternating member and score.
      for (let at = 0; at + 1 < items.length; at += 2) this.#heldUntil.set(items[at] ?? "", Number(items[at + 1]));
    }
    const kept = name === "services" ? this.#standingServices(items) : items;
    await this.#staged.add((to) =>
      writePage(to, waitingName(this.#keyspace[name as SharedName]), { kind, first, items: kept }),
    );
  }

  /** Alternating name and entry. One that was narrowed since, or lost a token, must not come back as it was. */
  #standingServices(items: readonly string[]): string[] {
    const kept: string[] = [];
    for (let at = 0; at + 1 < items.length; at += 2) {
      const [name = "", text = ""] = items.slice(at, at + 2);
      if (this.#replay.serviceStands(name, entryHash(text))) kept.push(name, text);
      else this.#counts.servicesDropped += 1;
    }
    return kept;
  }
}
