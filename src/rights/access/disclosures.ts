/**
 * The account of disclosures in Redis. A line of a subject is one day's entry in the field of a month:
 *
 *   <revision>|<recipient>|<purpose>|<region>|<contract>|2026-03  →  "07:1204 08:1187"
 *
 * A month takes little more memory than a day would. The gateway's totals name no subject.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { TellDamage } from "../../model/damage.ts";
import type { DayRange, Disclosure, DisclosureLine, Recipient } from "../../model/disclosure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { isMisshapen, orRedisUnavailable } from "../../platform/redis.ts";
import { runScript } from "../../platform/redis-script.ts";
import { keysLike } from "../../platform/redis-values.ts";
import { erasureIdsIn } from "../erasure/in-ledger.ts";
import { ADD_COUNTS, ERASE_LINES, OLD_LINES, OPEN_LINES } from "./disclosure-scripts.ts";

const LINES_PER_CALL = 500;
/** Longer than any call is retried. */
const WRITER_REMEMBERED_S = 86_400;

/** Every call throws REDIS_UNAVAILABLE when Redis does not answer. */
export class Disclosures {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #damaged: TellDamage;
  readonly #writer = randomBytes(12).toString("base64url");

  constructor(redis: Redis, keyspace: Keyspace, damaged: TellDamage = () => undefined) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#damaged = damaged;
  }

  /** Resolves when every line is recorded; lines that exist already stay unchanged. */
  async open(lines: readonly DisclosureLine[]): Promise<void> {
    for (let from = 0; from < lines.length; from += LINES_PER_CALL) {
      const some = lines.slice(from, from + LINES_PER_CALL);
      const names = [
        this.#keyspace.disclosureTotals,
        ...some.map(({ subject }) => this.#keyspace.disclosures(subject)),
      ];
      const args = some.flatMap((line) => [monthField(line), line.day.slice(8)]);
      const totals = new Set(some.map((line) => totalsField(line)));
      await orRedisUnavailable(() => runScript(this.#redis, OPEN_LINES, names, [...args, ...totals]));
    }
  }

  /** Adds to recorded lines. A call may be repeated with the same number and counts once. Numbers increase. */
  async add(number: number, counts: readonly (readonly [DisclosureLine, number])[]): Promise<void> {
    const names = [this.#keyspace.disclosureWriter(this.#writer), this.#keyspace.disclosureTotals];
    const args: (string | number)[] = [number, WRITER_REMEMBERED_S];
    const totals = new Map<string, number>();
    for (const [line, count] of counts) {
      names.push(this.#keyspace.disclosures(line.subject));
      args.push(monthField(line), line.day.slice(8), count);
      const field = totalsField(line);
      totals.set(field, (totals.get(field) ?? 0) + count);
    }
    for (const total of totals) args.push(...total);
    await orRedisUnavailable(() => runScript(this.#redis, ADD_COUNTS, names, args));
  }

  /** Oldest first. Throws LEDGER_BROKEN when the value in Redis is no account. */
  async of(subject: SubjectTag): Promise<Disclosure[]> {
    const read = () => this.#redis.hgetall(this.#keyspace.disclosures(subject));
    const fields = await orRedisUnavailable(() =>
      read().catch((error: unknown) => {
        if (!isMisshapen(error)) throw error;
        throw new GatewayError("LEDGER_BROKEN", "account of disclosures");
      }),
    );
    const found = Object.entries(fields).flatMap(([field, days]) => {
      const [, about, month] = /^\d+\|(.*)\|(\d{4}-\d{2})$/.exec(field) ?? [];
      if (about === undefined || month === undefined) return [];
      return days.split(" ").map((text) => {
        const [day, count] = text.split(":");
        return disclosureOf(about, `${month}-${day}`, Number(count));
      });
    });
    return summed(found);
  }

  /** What each recipient received, for all subjects together. Oldest first. */
  async totals({ from, to }: DayRange): Promise<Disclosure[]> {
    const fields = await orRedisUnavailable(() => this.#redis.hgetall(this.#keyspace.disclosureTotals));
    const found = Object.entries(fields).flatMap(([field, count]) => {
      const day = field.slice(-10);
      return day < from || day > to ? [] : [disclosureOf(field.slice(0, -11), day, Number(count))];
    });
    return summed(found);
  }

  /** Deletes what an erasure covers: every line from before its request. Idempotent. */
  async erase(subject: SubjectTag, erasure: string): Promise<void> {
    await orRedisUnavailable(async () => {
      const asked = revisionsErased(await this.#eventsOf(subject), [erasure]);
      // An erasure that the ledger does not name covers every line.
      const first = asked === 0 ? Number.MAX_SAFE_INTEGER : asked;
      await runScript(this.#redis, ERASE_LINES, [this.#keyspace.disclosures(subject)], [first]);
    });
  }

  /** A value that is no ledger names no erasure. */
  #eventsOf(subject: SubjectTag): Promise<string[]> {
    return this.#redis.lrange(this.#keyspace.ledger(subject), 0, -1).catch((error: unknown) => {
      if (!isMisshapen(error)) throw error;
      return [];
    });
  }

  /** Number of lines about days before this one, without those of `except`. */
  older(day: string, except: ReadonlySet<SubjectTag>): Promise<number> {
    return this.#old(day, except, "count");
  }

  /** Deletes them, and the totals of those days. Idempotent. */
  async expire(day: string, except: ReadonlySet<SubjectTag>): Promise<number> {
    const count = await this.#old(day, except, "delete");
    await orRedisUnavailable(async () => {
      const old = (await this.#redis.hkeys(this.#keyspace.disclosureTotals)).filter((field) => field.slice(-10) < day);
      if (old.length > 0) await this.#redis.hdel(this.#keyspace.disclosureTotals, ...old);
    });
    return count;
  }

  #old(day: string, except: ReadonlySet<SubjectTag>, what: "count" | "delete"): Promise<number> {
    return orRedisUnavailable(async () => {
      const left = new Set([...except].map((tag) => this.#keyspace.disclosures(tag)));
      let old = 0;
      for await (const names of keysLike(this.#redis, this.#keyspace.disclosures("*" as SubjectTag))) {
        const args = [day.slice(0, 7), day.slice(8), what];
        const calls = names
          .filter((name) => !left.has(name))
          .map((name) => runScript(this.#redis, OLD_LINES, [name], args));
        for (const count of await Promise.all(calls)) {
          if (Number(count) < 0) this.#damaged("account");
          else old += Number(count);
        }
      }
      return old;
    });
  }
}

/** The ledger revision of the last of these erasure requests; 0 when the ledger names none of them. */
export function revisionsErased(events: readonly string[], erasures: readonly string[]): number {
  return events.findLastIndex((text) => erasureIdsIn([text]).some((id) => erasures.includes(id))) + 1;
}

/** Lines of a backed-up account that were opened at this revision or later. */
export function linesFrom(revision: number, fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([field]) => Number.parseInt(field, 10) >= revision));
}

/** The same text is needed many times for each recipient. */
const aboutTexts = new WeakMap<Recipient, string>();

function aboutOf(recipient: Recipient): string {
  let text = aboutTexts.get(recipient);
  if (text === undefined) {
    const { name, purpose, region, contract } = recipient;
    text = `${name}|${purpose}|${region}|${contract ?? ""}`;
    aboutTexts.set(recipient, text);
  }
  return text;
}

function monthField({ revision, recipient, day }: DisclosureLine): string {
  return `${revision}|${aboutOf(recipient)}|${day.slice(0, 7)}`;
}

function totalsField({ recipient, day }: DisclosureLine): string {
  return `${aboutOf(recipient)}|${day}`;
}

function disclosureOf(about: string, day: string, count: number): Disclosure {
  const [recipient = "", purpose = "", region = "", contract = ""] = about.split("|");
  return {
    recipient,
    purpose: purpose as ServicePurpose,
    day,
    count,
    region,
    ...(contract !== "" && { contract }),
  };
}

/** One per day and recipient, whatever the revisions at which its lines were opened. */
function summed(disclosures: readonly Disclosure[]): Disclosure[] {
  const byLine = new Map<string, Disclosure>();
  for (const one of disclosures) {
    const line = [one.day, one.recipient, one.purpose, one.region, one.contract].join("|");
    byLine.set(line, { ...one, count: one.count + (byLine.get(line)?.count ?? 0) });
  }
  return [...byLine.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}
