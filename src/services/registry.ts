/**
 * The services that were registered while the gateway ran, in Redis. Every change is one comparison with what was read and
 * one write, so that of two at once one is refused; and all gateways are told of it. A removed one leaves its name behind,
 * because the account of disclosures knows a recipient by it.
 */
import type { Redis } from "ioredis";
import type { PolicyDocument } from "../model/policy-document.ts";
import { type EntryFault, MAX_SERVICES, MAX_TOKENS, type ServiceEntry, type ServiceRefusal } from "../model/service.ts";
import { categoryBreaches, termsBreaches } from "../model/service-terms.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { changeEntry, type EntryNames, readEntries, readEntry } from "../platform/shared-entries.ts";
import { EntryText, entryHash, type RegistryEntry } from "./entry-text.ts";

const FORGET_SERVICE: RedisScript = {
  name: "consentryForgetService",
  lua: `--[[
  Deletes what a removed service left behind, if it is still what was read.
  KEYS[1] hash name -> entry   ARGV[1] name   ARGV[2] entry as it was read   Reply: entries deleted
]]
if redis.call("HGET", KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call("HDEL", KEYS[1], ARGV[1])`,
};

/** Names of removed services that are kept as well. */
const MAX_ENTRIES = 4 * MAX_SERVICES;

export interface RegistryPorts {
  /** The policy of the highest version. */
  readonly newestPolicy: () => Promise<Pick<PolicyDocument, "purposes"> | undefined>;
  /** Whether the configuration file names a service so: then nothing here counts for it. */
  readonly inFile: (name: string) => boolean;
  /** Outside Redis: an older copy of the entry must not come back with a backup. Rejects when it can't be recorded. */
  readonly journal: (name: string, hash: string, revision: number) => Promise<void>;
  /** The entry is in force from here on, on this gateway at once. */
  readonly learn: (entry: RegistryEntry) => void;
  /** For so long after its removal the account of disclosures may still name a service. */
  readonly rememberedMs: number;
  /** Unix ms. */
  readonly now: () => number;
}

export type Refused = { readonly refused: ServiceRefusal; readonly faults?: readonly EntryFault[] | undefined };
export type Changed = {
  readonly refused?: undefined;
  readonly entry: RegistryEntry;
  /** There was none before. */
  readonly isNew: boolean;
};
export type Issued = Changed & { readonly token: string; readonly number: number };

interface Stored {
  /** As it is in Redis; "" when there is nothing. */
  readonly text: string;
  /** `undefined`: there is nothing, or nothing that verifies. */
  readonly entry: RegistryEntry | undefined;
}

/** Every call throws REDIS_UNAVAILABLE or NOT_WRITABLE when Redis does not answer or take it. */
export class ServiceRegistry {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #text: EntryText;
  readonly #ports: RegistryPorts;

  constructor(redis: Redis, keyspace: Keyspace, tokenKey: Buffer, ports: RegistryPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#text = new EntryText(tokenKey);
    this.#ports = ports;
  }

  /** Registers a service, or replaces what is said of it; its tokens stay. `expected`: the revision it must have now, 0 for none. */
  async put(name: string, given: ServiceEntry, expected?: number): Promise<Refused | Changed> {
    if (this.#ports.inFile(name)) return { refused: "service-in-file" };
    const stored = await this.#read(name);
    const before = standing(stored.entry);
    if (expected !== undefined && expected !== (before?.revision ?? 0)) return { refused: "revision-differs" };
    const known = stored.entry;
    if (known !== undefined && (known.recipient !== given.recipient || known.relation !== given.relation))
      return { refused: "recipient-differs" };
    const faults = await this.#faults(given);
    if (faults.length > 0) return { refused: "service-not-covered", faults };
    const { purposes, categories, region, relation, recipient, contractRef, maxConnections, publishesPerSecond } =
      given;
    const former = new Set([...(known?.former ?? []), ...(known?.purposes ?? [])]);
    for (const purpose of purposes) former.delete(purpose);
    const terms = { region, relation, recipient, contractRef, maxConnections, publishesPerSecond };
    const { tokens = [], lastToken = 0 } = before ?? { lastToken: known?.lastToken };
    const wanted = { name, purposes: [...new Set(purposes)], former: [...former], categories, ...terms };
    return this.#replace(stored, { ...wanted, categories: categories && [...new Set(categories)], tokens, lastToken });
  }

  /** No one logs in as this service any more, and nothing is given to it; its name stays its own. */
  async remove(name: string, expected?: number): Promise<Refused | Changed> {
    return this.#change(name, expected, (entry) => ({
      ...entry,
      former: [...new Set([...entry.former, ...entry.purposes])],
      purposes: [],
      categories: undefined,
      tokens: [],
      ended: this.#ports.now(),
    }));
  }

  /** A token of 43 base64url characters, shown this once; the ones before stay as they are. */
  async issueToken(name: string): Promise<Refused | Issued> {
    const token = this.#text.newToken();
    const changed = await this.#change(name, undefined, (entry) => {
      if (entry.tokens.length >= MAX_TOKENS) return "two-tokens";
      const issued = {
        number: entry.lastToken + 1,
        issuedAt: this.#ports.now(),
        mac: this.#text.tokenMac(name, token),
      };
      return { ...entry, tokens: [...entry.tokens, issued], lastToken: issued.number };
    });
    return changed.refused === undefined ? { ...changed, token, number: changed.entry.lastToken } : changed;
  }

  /** What was logged in with it is logged out. */
  async revokeToken(name: string, number: number): Promise<Refused | Changed> {
    return this.#change(name, undefined, (entry) => {
      const tokens = entry.tokens.filter((one) => one.number !== number);
      return tokens.length === entry.tokens.length ? "unknown-token" : { ...entry, tokens };
    });
  }

  async #change(
    name: string,
    expected: number | undefined,
    work: (entry: RegistryEntry) => Omit<RegistryEntry, "revision"> | ServiceRefusal,
  ): Promise<Refused | Changed> {
    if (this.#ports.inFile(name)) return { refused: "service-in-file" };
    const stored = await this.#read(name);
    const before = standing(stored.entry);
    if (before === undefined) return { refused: "unknown-service" };
    if (expected !== undefined && expected !== before.revision) return { refused: "revision-differs" };
    const wanted = work(before);
    return typeof wanted === "string" ? { refused: wanted } : this.#replace(stored, wanted);
  }

  async #replace(stored: Stored, wanted: Omit<RegistryEntry, "revision">): Promise<Refused | Changed> {
    const { text: before, entry: known } = stored;
    const isNew = standing(known) === undefined;
    const { revision: former = 0, ...same } = known ?? { name: "" };
    // Also where nothing is to be changed the journal is asked: an earlier attempt may have come to its end before that.
    if (known !== undefined && this.#text.write(entryOf(same, former)) === this.#text.write(entryOf(wanted, former))) {
      await this.#ports.journal(known.name, entryHash(before), former);
      return { entry: known, isNew };
    }
    const entry = entryOf(wanted, Math.max(former + 1, this.#ports.now()));
    const text = this.#text.write(entry);
    if (isNew && !(await this.#hasRoom())) return { refused: "too-many-services" };
    const change = { name: entry.name, before, after: text, most: MAX_ENTRIES };
    const outcome = await changeEntry(this.#redis, serviceNames(this.#keyspace), change);
    if (outcome === "conflict") return { refused: "conflict" };
    if (outcome === "full") return { refused: "too-many-services" };
    this.#ports.learn(entry);
    await this.#ports.journal(entry.name, entryHash(text), entry.revision);
    return { entry, isNew };
  }

  /** Forgets removed services that the account of disclosures can't name any more, when they would be in the way. */
  async #hasRoom(): Promise<boolean> {
    const count = await orRedisUnavailable(() => this.#redis.hlen(this.#keyspace.services));
    if (count < MAX_SERVICES) return true;
    const stored = await readEntries(this.#redis, serviceNames(this.#keyspace));
    const all = Object.entries(stored).map(([name, text]) => ({ name, text, entry: this.#text.read(name, text) }));
    if (all.filter(({ entry }) => entry !== undefined && entry.ended === undefined).length >= MAX_SERVICES)
      return false;
    if (all.length < MAX_ENTRIES) return true;
    const forgotten = this.#ports.now() - this.#ports.rememberedMs;
    for (const { name, text, entry } of all) {
      if ((entry?.ended ?? Number.POSITIVE_INFINITY) >= forgotten) continue;
      await orRedisUnavailable(() => runScript(this.#redis, FORGET_SERVICE, [this.#keyspace.services], [name, text]));
    }
    return true;
  }

  async #faults(given: ServiceEntry): Promise<EntryFault[]> {
    const narrowed = categoryBreaches(given.purposes, given.categories).map(({ category, rule }) => ({
      path: `categories.${category}`,
      code: rule,
    }));
    const policy = await this.#ports.newestPolicy();
    const breaches = termsBreaches(given, policy ?? { purposes: {} });
    return [
      ...narrowed,
      ...breaches.map(({ option, rule, purpose }) => ({ path: `${option}.${purpose}`, code: rule })),
    ];
  }

  async #read(name: string): Promise<Stored> {
    const text = await readEntry(this.#redis, serviceNames(this.#keyspace), name);
    return { text, entry: text === "" ? undefined : this.#text.read(name, text) };
  }
}

export function serviceNames({ services, serviceChanges, servicesChanged }: Keyspace): EntryNames {
  return { entries: services, changes: serviceChanges, changed: servicesChanged };
}

function standing(entry: RegistryEntry | undefined): RegistryEntry | undefined {
  return entry?.ended === undefined ? entry : undefined;
}

/** Its fields in one order, so that what says the same is the same text. */
function entryOf(one: Partial<Omit<RegistryEntry, "revision">>, revision: number): RegistryEntry {
  const { name, purposes, former, categories, region, relation, recipient, contractRef } = one as RegistryEntry;
  const { maxConnections, publishesPerSecond, tokens, lastToken, ended } = one as RegistryEntry;
  return {
    name,
    purposes,
    former,
    ...(categories !== undefined && { categories }),
    region,
    relation,
    recipient,
    ...(contractRef !== undefined && { contractRef }),
    maxConnections,
    publishesPerSecond,
    tokens,
    lastToken,
    revision,
    ...(ended !== undefined && { ended }),
  };
}
