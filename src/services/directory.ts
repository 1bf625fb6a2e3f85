/**
 * Every service there is right now: those of the configuration file, and those of the registry whose name the file does not
 * have. Held in memory, so that a login and a message cost no look into Redis, and brought up to date when any gateway says
 * that something changed.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Redis } from "ioredis";
import type { Log } from "../model/log.ts";
import type { ServicePurpose } from "../model/purposes.ts";
import type { NamedService, ServiceEntry, ServiceOrigin } from "../model/service.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { TokenBucket } from "../platform/rate.ts";
import { readChanges, readEntries } from "../platform/shared-entries.ts";
import { EntryText, type RegistryEntry } from "./entry-text.ts";
import { serviceNames } from "./registry.ts";

/** As the configuration file names it. */
export interface FileService extends ServiceEntry {
  readonly name: string;
  /** Absent where no one logs in. */
  readonly token?: string;
}

/** A service whose token is right. */
export interface ServiceLogin {
  readonly service: LiveService;
  /** Of the token it came with; 0 for the one of the configuration file. */
  readonly token: number;
}

export interface DirectoryPorts {
  /** Something changed: what is connected has to be looked at again. */
  readonly changed: () => void;
  readonly counted: (origin: ServiceOrigin, count: number) => void;
  readonly log: Log;
}

/** One object from the moment it is known; what may be done as this service is asked of it each time. */
export class LiveService {
  readonly name: string;
  entry: NamedService;
  purposes: ReadonlySet<ServicePurpose> = new Set();
  /** Whose erasures it is told of. */
  told: ReadonlySet<ServicePurpose> = new Set();
  tokens: ReadonlySet<number> = new Set();
  #bucket: TokenBucket;

  constructor(entry: NamedService, tokens: readonly number[]) {
    this.name = entry.name;
    this.entry = entry;
    this.#bucket = bucketOf(entry);
    this.become(entry, tokens);
  }

  become(entry: NamedService, tokens: readonly number[]): void {
    if (entry.publishesPerSecond !== this.entry.publishesPerSecond) this.#bucket = bucketOf(entry);
    this.entry = entry;
    this.purposes = new Set(entry.purposes);
    this.told = new Set([...entry.purposes, ...entry.former]);
    this.tokens = new Set(tokens);
  }

  /** It may log in no more, and gets nothing. */
  end(): void {
    this.become({ ...this.entry, purposes: [], former: [] }, []);
  }

  mayPublish(nowMs: number): boolean {
    return this.#bucket.take(nowMs);
  }
}

const OF_FILE = 0;

export class ServiceDirectory {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #text: EntryText;
  readonly #ports: DirectoryPorts;
  readonly #fileTokens: ReadonlyMap<string, Buffer | undefined>;
  readonly #services = new Map<string, LiveService>();
  #entries: ReadonlyMap<string, RegistryEntry> = new Map();
  #changes = -1;
  #turn: Promise<void> = Promise.resolve();
  /** Entries that do not verify, said once each. */
  readonly #unreadable = new Set<string>();

  constructor(
    redis: Redis,
    keyspace: Keyspace,
    { tokenKey, file }: { readonly tokenKey: Buffer; readonly file: readonly FileService[] },
    ports: DirectoryPorts,
  ) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#text = new EntryText(tokenKey);
    this.#ports = ports;
    this.#fileTokens = new Map(file.map(({ name, token }) => [name, token === undefined ? undefined : sha256(token)]));
    for (const { token: _token, ...entry } of file) {
      this.#services.set(entry.name, new LiveService({ ...entry, origin: "file", former: [], tokens: [] }, [OF_FILE]));
    }
  }

  /** Those of the file first. */
  all(): NamedService[] {
    return [...this.#services.values()].map(({ entry }) => entry);
  }

  inFile(name: string): boolean {
    return this.#fileTokens.has(name);
  }

  get(name: string): NamedService | undefined {
    return this.#services.get(name)?.entry;
  }

  has(name: string): boolean {
    return this.#services.has(name);
  }

  /** Names of the services that are told of erasures for this purpose, connected or not. */
  toldOf(purpose: ServicePurpose): string[] {
    return [...this.#services.values()].filter(({ told }) => told.has(purpose)).map(({ name }) => name);
  }

  /** `undefined`: there is no such service, or this is no token of it. */
  login(name: string, token: string): ServiceLogin | undefined {
    const service = this.#services.get(name);
    if (service === undefined) return undefined;
    const ofFile = this.#fileTokens.get(name);
    if (ofFile !== undefined) return timingSafeEqual(ofFile, sha256(token)) ? { service, token: OF_FILE } : undefined;
    if (this.inFile(name)) return undefined;
    const entry = this.#entries.get(name);
    const number = entry && this.#text.tokenNumber(entry, token);
    return number === undefined ? undefined : { service, token: number };
  }

  /** What was just written, without reading it back. */
  learn(entry: RegistryEntry): void {
    this.#take(new Map(this.#entries).set(entry.name, entry));
  }

  /** Reads all again when anything changed since. Rejects with REDIS_UNAVAILABLE: then what was known stays. */
  refresh(): Promise<void> {
    // One after the other: what was read later is the newer.
    const turn = this.#turn.catch(() => undefined).then(() => this.#refresh());
    this.#turn = turn;
    return turn;
  }

  async #refresh(): Promise<void> {
    // In this order: what changes in between is read now, and once more at the next turn.
    const changes = await readChanges(this.#redis, serviceNames(this.#keyspace));
    if (changes === this.#changes) return;
    const stored = await readEntries(this.#redis, serviceNames(this.#keyspace));
    const entries = new Map<string, RegistryEntry>();
    for (const [name, text] of Object.entries(stored)) {
      const entry = this.#text.read(name, text);
      if (entry === undefined) this.#tellUnreadable(text);
      else entries.set(name, this.#newer(entry));
    }
    this.#changes = changes;
    this.#take(entries);
  }

  /** What this gateway has written itself may have overtaken the read. */
  #newer(read: RegistryEntry): RegistryEntry {
    const known = this.#entries.get(read.name);
    return known !== undefined && known.revision > read.revision ? known : read;
  }

  #tellUnreadable(text: string): void {
    if (this.#unreadable.has(text)) return;
    this.#unreadable.clear();
    this.#unreadable.add(text);
    this.#ports.log.error("an entry of the service registry does not verify and counts for nothing", {
      code: "SERVICE_UNREADABLE",
    });
  }

  #take(entries: ReadonlyMap<string, RegistryEntry>): void {
    this.#entries = entries;
    for (const [name, service] of this.#services) {
      const entry = entries.get(name);
      if (this.inFile(name) || (entry !== undefined && entry.ended === undefined)) continue;
      service.end();
      this.#services.delete(name);
    }
    let registered = 0;
    for (const { tokens, lastToken: _last, ended, ...terms } of entries.values()) {
      if (ended !== undefined || this.inFile(terms.name)) continue;
      registered += 1;
      const issued = tokens.map(({ number, issuedAt }) => ({ number, issuedAt }));
      const entry: NamedService = { ...terms, tokens: issued, origin: "registry" };
      const numbers = tokens.map(({ number }) => number);
      const known = this.#services.get(terms.name);
      if (known === undefined) this.#services.set(terms.name, new LiveService(entry, numbers));
      else known.become(entry, numbers);
    }
    this.#ports.counted("file", this.#fileTokens.size);
    this.#ports.counted("registry", registered);
    this.#ports.changed();
  }
}

function bucketOf({ publishesPerSecond }: ServiceEntry): TokenBucket {
  return new TokenBucket(publishesPerSecond, 2 * publishesPerSecond, Date.now());
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
