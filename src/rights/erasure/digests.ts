/**
 * Digests tell services which names to forget. A digest goes to one service of one purpose, holds the names of all people who
 * wait for one, in random order, under an id of its own, and leaves at a random time. So neither the id nor the order nor the
 * time says which of the names belong together, and what one purpose is told does not lead to what another one is told.
 *
 *   an erasure ─ join ─→ pool ─ due: composed, in one call ─→ digest ─ told, again and again ─→ answered, or its time is over
 *
 * Pool and digests are in Redis: any gateway composes, and each tells the services that are connected to it.
 */
import { randomInt, randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { NamedService } from "../../model/forwarded-name.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { Log } from "../../model/log.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import { faultCode } from "../../platform/fault-code.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { shuffled } from "../../platform/shuffled.ts";
import { type Digest, DigestStore, type Waiting } from "./digest-store.ts";
import { fieldOf, LAPSED, readNames } from "./names-to-forget.ts";
import type { ErasurePorts } from "./ports.ts";
import type { ErasureRecord, ErasureRecords } from "./record.ts";

/** To one service; the same names each time it is sent. */
export interface Notice {
  readonly id: string;
  readonly purpose: ServicePurpose;
  readonly service: string;
  readonly payloads: readonly string[];
}

export interface DigestPorts extends Pick<ErasurePorts, "seal" | "open" | "services" | "now"> {
  /** Whether the service listens on this gateway and was not told of it for so long. */
  wants(notice: Pick<Notice, "id" | "purpose" | "service">, againAfterMs: number): boolean;
  /** Sends it to the service's connections; false when there was none. */
  tell(notice: Notice): boolean;
  /** An answer of a service came for this erasure. Never throws. */
  wake(id: string): Promise<void>;
  readonly metrics: { erasureDigest(purpose: ServicePurpose): void };
  readonly log: Log;
}

export interface DigestOptions {
  /** What joins leaves within this time, and not before half of it: so that others can join. */
  readonly digestMs: number;
  /** How long a digest is told to a service that does not answer. */
  readonly keepMs: number;
}

export interface DigestSurvey {
  /** One counts once for each person and service. */
  readonly waiting: number;
  /** For how long the oldest of them should have left; 0 when none is late. */
  readonly overdueMs: number;
}

type Name = readonly [name: Pseudonym, until: number];

interface Ready {
  readonly member: string;
  readonly record: ErasureRecord;
  readonly names: readonly Name[];
}

/** Keeps one message far below the limit of any MQTT client. */
const NAMES_PER_MESSAGE = 1_000;
/** Bounds one value in Redis and one call; more than that is divided evenly, by people drawn at random. */
const PEOPLE_PER_DIGEST = 200;
const NAMES_PER_DIGEST = 20_000;
/** A little less than all of the second half: whether something is due is looked at once in a while. */
const DRAWN = 0.95;
/** A service that listens and does not answer is told again after this, and the later the longer it has not. */
const MIN_AGAIN_MS = 60_000;
const MAX_AGAIN_MS = 600_000;
/** From here on an erasure cannot be held up any more. */
const TOLD_IN: ReadonlySet<string | undefined> = new Set(["notify", "receipt", "remind"]);

/** Every method throws REDIS_UNAVAILABLE. */
export class Digests {
  readonly #store: DigestStore;
  readonly #options: DigestOptions;
  readonly #records: Pick<ErasureRecords, "read" | "setOnce">;
  readonly #ports: DigestPorts;

  constructor(
    redis: Redis,
    keyspace: Keyspace,
    options: DigestOptions,
    records: Pick<ErasureRecords, "read" | "setOnce">,
    ports: DigestPorts,
  ) {
    this.#store = new DigestStore(redis, keyspace);
    this.#options = options;
    this.#records = records;
    this.#ports = ports;
  }

  /** Into the pool, unless it is in there, in a digest, or was answered. To be repeated: that repairs what was lost. */
  join(erasure: Pick<ErasureRecord, "id" | "tag">, services: readonly NamedService[]): Promise<void> {
    return this.#store.join(erasure, services, () => this.leavesAt());
  }

  /** Composes what is due, and tells. */
  async turn(): Promise<void> {
    await this.#compose();
    await this.tell();
  }

  /** Sends every digest that its service has not answered and was not told of lately. */
  async tell(): Promise<void> {
    for (const [id, digest] of await this.#store.all()) {
      const sinceMs = this.#ports.now() - digest.at;
      if (sinceMs > this.#options.keepMs) {
        await this.#store.remove(id);
        continue;
      }
      // Composed by a clock that was ahead: without this it would be told until that day.
      if (sinceMs < 0) await this.#store.write(id, { ...digest, at: this.#ports.now() });
      const { purpose, service } = digest;
      if (!this.#ports.services(purpose).includes(service)) continue;
      const againAfterMs = Math.min(MAX_AGAIN_MS, Math.max(MIN_AGAIN_MS, sinceMs / 10));
      if (!this.#ports.wants({ id, purpose, service }, againAfterMs)) continue;
      await this.#tell(id, digest);
    }
  }

  /** False when there is no such digest for this service. Throws REDIS_UNAVAILABLE: then the answer must be repeated. */
  async acknowledge(id: string, purpose: ServicePurpose, service: string): Promise<boolean> {
    const digest = await this.#store.get(id);
    if (digest?.purpose !== purpose || digest.service !== service) return false;
    await this.#note("ack", digest);
    await this.#store.remove(id);
    await Promise.all(digest.erasures.map((erasure) => this.#ports.wake(erasure)));
    return true;
  }

  async survey(): Promise<DigestSurvey> {
    const pool = await this.#store.pool();
    const oldest = Math.min(...pool.map(({ leavesAt }) => leavesAt));
    return { waiting: pool.length, overdueMs: pool.length === 0 ? 0 : Math.max(0, this.#ports.now() - oldest) };
  }

  /** Unix ms. Drawn for each person and service; the first of a digest decides. */
  leavesAt(): number {
    const half = Math.floor(this.#options.digestMs / 2);
    return this.#ports.now() + half + randomInt(Math.floor(half * DRAWN) + 1);
  }

  peoplePerDigest(): number {
    return PEOPLE_PER_DIGEST;
  }

  mixed<T>(names: readonly T[]): readonly T[] {
    return shuffled(names);
  }

  async #compose(): Promise<void> {
    const now = this.#ports.now();
    const groups = new Map<string, { to: NamedService; members: Waiting[]; due: boolean }>();
    for (const one of await this.#store.pool()) {
      const { member, to, leavesAt } = one;
      // Drawn by a clock that was ahead: without this it would wait until that day.
      if (leavesAt > now + this.#options.digestMs) await this.#store.leaveSooner(member, this.leavesAt());
      const field = `${to.purpose}:${to.service}`;
      const group = groups.get(field) ?? { to, members: [], due: false };
      groups.set(field, group);
      group.members.push(one);
      group.due ||= leavesAt <= now;
    }
    for (const { to, members, due } of groups.values()) if (due) await this.#composeOf(to, members);
  }

  async #composeOf(to: NamedService, members: readonly Waiting[]): Promise<void> {
    const ready: Ready[] = [];
    for (const { member, erasure } of shuffled(members)) {
      const record = await this.#records.read(erasure);
      if (record === undefined || record.step === undefined) await this.#store.drop(member);
      else if (!record.damaged && TOLD_IN.has(record.step)) {
        const names = this.#namesIn(record, to);
        if (names.length > 0) ready.push({ member, record, names });
        else await this.#close(LAPSED, to, [{ member, record, names }]);
      }
    }
    const names = ready.reduce((sum, one) => sum + one.names.length, 0);
    const parts = Math.max(Math.ceil(ready.length / this.peoplePerDigest()), Math.ceil(names / NAMES_PER_DIGEST));
    const each = Math.ceil(ready.length / Math.max(1, parts));
    for (let from = 0; from < ready.length; from += each) {
      const some = ready.slice(from, from + each);
      // Another gateway was quicker: what it left is composed at the next turn.
      if (!(await this.#close(randomUUID(), to, some))) return;
    }
  }

  /** From the pool into a digest, all of them or none. */
  #close(id: string, to: NamedService, some: readonly Ready[]): Promise<boolean> {
    const digest: Digest = { ...to, at: this.#ports.now(), erasures: some.map(({ record }) => record.id) };
    const names = this.mixed(some.flatMap((one) => one.names));
    const texts =
      id === LAPSED
        ? { digest: "", names: "" }
        : { digest: JSON.stringify(digest), names: this.#ports.seal(JSON.stringify(names)) };
    return this.#store.compose(id, to, some, texts);
  }

  /** Those that the service may still hold. */
  #namesIn(record: ErasureRecord, { purpose, service }: NamedService): Name[] {
    const now = this.#ports.now();
    return (readNames(record, this.#ports) ?? []).flatMap((one) =>
      one.purpose === purpose && one.service === service && one.until > now
        ? one.names.map((name): Name => [name, one.until])
        : [],
    );
  }

  async #tell(id: string, digest: Digest): Promise<void> {
    const { purpose, service, at } = digest;
    const sealed = await this.#store.names(id);
    // Answered meanwhile.
    if (sealed === null) return;
    let names: readonly Name[];
    try {
      names = JSON.parse(this.#ports.open(sealed)) as Name[];
    } catch (error) {
      // They cannot be computed again; the receipts say that the service did not acknowledge.
      this.#ports.log.error("names to forget cannot be decrypted", { code: faultCode(error), stage: "erasure" });
      await this.#store.remove(id);
      return;
    }
    const left = names.filter(([, until]) => until > this.#ports.now()).map(([name]) => name);
    if (left.length === 0) {
      // The epoch after theirs ended before the service came back.
      await this.#store.remove(id);
      return;
    }
    if (!this.#ports.tell({ id, purpose, service, payloads: payloadsOf(id, at, left) })) return;
    if (await this.#note("told", digest)) this.#ports.metrics.erasureDigest(purpose);
  }

  /** Into the records of all who are in it. True when this was news for one of them. */
  async #note(what: "told" | "ack", digest: Digest): Promise<boolean> {
    let news = false;
    for (const erasure of digest.erasures) {
      const record = await this.#records.read(erasure);
      if (record?.step === undefined) continue;
      if (await this.#records.setOnce(record, fieldOf(what, digest), this.#ports.now(), "any")) news = true;
    }
    return news;
  }
}

/** `{id, part, parts, at, pseudonyms}`, the same `id` in all of them. */
function payloadsOf(id: string, at: number, names: readonly Pseudonym[]): string[] {
  const parts = Math.ceil(names.length / NAMES_PER_MESSAGE);
  return Array.from({ length: parts }, (_, index) => {
    const pseudonyms = names.slice(index * NAMES_PER_MESSAGE, (index + 1) * NAMES_PER_MESSAGE);
    return JSON.stringify({ id, part: index + 1, parts, at, pseudonyms });
  });
}
