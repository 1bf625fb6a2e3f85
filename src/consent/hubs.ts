/**
 * Devices without a connection of their own, behind one that speaks for them. A child is heard only while both sides say so:
 * the hub's list leads from an alias to the child, and the child's credential names this hub, this alias and the hub's present
 * tenure. The two lie in different slots of Redis, so each change is made in steps, and an interrupted one leaves silence.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";
import type { AliasMac, DeviceKey, SubjectTag } from "../model/ids.ts";
import type { RegistrationOutcome } from "../model/registration.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { type RedisScript, runScript } from "../platform/redis-script.ts";
import { execEach } from "../platform/redis-values.ts";
import { arranged, isAt, PLACE_FIELDS, placeOf, type Wanted } from "./child-place.ts";
import { Children, type Entries, type Entry } from "./children.ts";
import { ADOPT, DISOWN, END_RECORDED, FORGET_REGISTRATIONS, OPEN_HUB } from "./registration.ts";
import { closeIfEmpty, tidyRegistrations } from "./tidy-registrations.ts";

export interface Child {
  readonly alias: AliasMac;
  readonly key: DeviceKey;
  /** `undefined`: silent. Bound to no subject, to another one without leave, or one side says no more. */
  readonly subjectTag: SubjectTag | undefined;
  /** It stands here though it was another subject's than the hub when it was registered. */
  readonly otherSubject: boolean;
  /** No other gateway has told a difference of its counters since this one did. */
  readonly holds: boolean;
}

export interface HubsPorts {
  /** Records outside Redis that a token or a registration ended, see consent/ledger/change.ts. */
  ended(device: DeviceKey, number: number, standing?: string): Promise<void>;
  /** This gateway, as credentials name it. */
  readonly holder: string;
}

interface Hub {
  readonly key: DeviceKey;
  readonly tag: SubjectTag;
  readonly tenure: string;
}

const TENURE_BYTES = 12;
const MAX_ATTEMPTS = 8;

export class Hubs {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #ports: HubsPorts;
  readonly #children: Children;

  constructor(redis: Redis, keyspace: Keyspace, ports: HubsPorts) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#ports = ports;
    this.#children = new Children(redis, keyspace);
  }

  /** At most 512. Throws `REDIS_UNAVAILABLE`. */
  async load(hub: DeviceKey): Promise<readonly Child[]> {
    const { entries } = await this.#children.read(hub);
    if (entries.length === 0) return [];
    const asked = this.#redis.pipeline().hmget(this.#keyspace.credential(hub), "tag", "tenure");
    for (const { key } of entries) this.#askChild(asked, key);
    const [own, ...replies] = await orRedisUnavailable(() => execEach(asked));
    const [tag, tenure] = (own ?? []) as (string | null)[];
    return entries.map(({ alias, key }, index) => {
      const said = placeOf(replies[index]);
      const heard = tag && tenure && isAt(said, hub, alias, tenure);
      const agreed = heard && (said.tag === tag || said.otherSubject);
      const { otherSubject } = said;
      const holds = said.holder === this.#ports.holder;
      return { alias, key, subjectTag: agreed ? said.tag : undefined, otherSubject, holds };
    });
  }

  /** The dialect of its token, if it has one and it is not the gateway's own. Throws `REDIS_UNAVAILABLE`. */
  async dialectOf(hub: DeviceKey): Promise<string | undefined> {
    const name = this.#keyspace.credential(hub);
    return (await orRedisUnavailable(() => this.#redis.hget(name, "dialect"))) ?? undefined;
  }

  /**
   * One outcome for each, in their order; those that are refused change nothing. Children that are not named stay. Throws
   * `REDIS_UNAVAILABLE`, `CONSENT_CONFLICT`; then too nothing speaks that may not, and the call can be repeated.
   */
  async register(hub: DeviceKey, wanted: readonly Wanted[]): Promise<readonly RegistrationOutcome[]> {
    const opened = await this.#open(hub);
    if ("refused" in opened) return wanted.map(() => opened.refused);
    for (let tried = 1; tried <= MAX_ATTEMPTS; tried += 1) {
      const outcomes = await this.#tryToRegister(opened, wanted);
      if (outcomes === undefined) continue;
      if (!outcomes.some((outcome) => outcome === "registered" || outcome === "already"))
        await closeIfEmpty(this.#redis, this.#keyspace, hub);
      return outcomes;
    }
    throw new GatewayError("CONSENT_CONFLICT", "registering children");
  }

  /** Whether it was a child of this hub, or an earlier call that failed ended that. Throws `REDIS_UNAVAILABLE`. */
  async remove(hub: DeviceKey, device: DeviceKey): Promise<boolean> {
    const { childrenChanged } = this.#keyspace;
    const reply = (await this.#run(DISOWN, device, [hub, childrenChanged, ""])) as [number, number];
    const { entries } = await this.#children.read(hub);
    const removed = entries.filter(({ key }) => key === device);
    if (removed.length > 0) await this.#children.confirm(hub, { removed, kept: [] });
    await this.#recorded([device], [reply[1]]);
    if (removed.length === entries.length) await closeIfEmpty(this.#redis, this.#keyspace, hub);
    return reply[0] === 1 || reply[1] >= 0 || removed.length > 0;
  }

  /** Ends every registration of a device of this subject, as a child and as a hub. Throws `REDIS_UNAVAILABLE`. */
  async forget(subject: SubjectTag, device: DeviceKey): Promise<void> {
    const { childrenChanged, sessionEnd } = this.#keyspace;
    const args = [subject, childrenChanged, sessionEnd, device];
    const [ended, standing] = (await this.#run(FORGET_REGISTRATIONS, device, args)) as [number, string];
    if (ended >= 0) await this.#ports.ended(device, ended, standing || undefined);
    await tidyRegistrations(this.#redis, this.#keyspace, device);
    if (ended >= 0) await this.#run(END_RECORDED, device, [ended]);
  }

  async #open(hub: DeviceKey): Promise<Hub | { readonly refused: "not-bound" | "behind-hub" }> {
    await tidyRegistrations(this.#redis, this.#keyspace, hub);
    const fresh = randomBytes(TENURE_BYTES).toString("base64url");
    let reply = (await this.#run(OPEN_HUB, hub, [fresh, ""])) as string[];
    if (reply[0] === "behind-hub" && (await this.#isOver(reply[1], reply[2])))
      reply = (await this.#run(OPEN_HUB, hub, [fresh, reply[2] ?? ""])) as string[];
    const [outcome, tag = "", tenure = ""] = reply;
    if (outcome === "open") return { key: hub, tag: tag as SubjectTag, tenure };
    return { refused: outcome === "behind-hub" ? "behind-hub" : "not-bound" };
  }

  /** `undefined` when another writer was first. */
  async #tryToRegister(hub: Hub, wanted: readonly Wanted[]): Promise<RegistrationOutcome[] | undefined> {
    const { mark, entries } = await this.#children.read(hub.key);
    const living = await this.#living(hub, entries);
    const over = await this.#tenuresOver(hub, wanted);
    const asked = await this.#adopt(hub, wanted, over, true);
    const outcomes = arranged(hub.key, wanted, living, asked);
    const chosen = wanted.filter((_, index) => outcomes[index] === "registered");
    const taken = new Set(living.map(({ alias }) => alias));
    const stale = entries.filter(({ alias }) => !taken.has(alias));
    if (chosen.length === 0 && stale.length === 0) {
      await this.#standsStill(hub);
      return outcomes;
    }
    if (!(await this.#children.write(hub.key, mark, { removed: stale, added: chosen }))) return undefined;
    const adopted = await this.#adopt(hub, chosen, over, false);
    const kept = chosen.filter((_, index) => adopted[index] === "registered" || adopted[index] === "already");
    const names = new Map(kept.map(({ key, alias }) => [key, alias]));
    const removed = [
      ...chosen.filter(({ key }) => !names.has(key)),
      ...living.filter(({ key, alias }) => names.has(key) && names.get(key) !== alias),
    ];
    const confirmed = await this.#children.confirm(hub.key, { removed, kept });
    for (const [index, { key }] of kept.entries()) if (!confirmed[index]) await this.remove(hub.key, key);
    await this.#standsStill(hub);
    const refused = new Map(chosen.map(({ key }, index) => [key, adopted[index]]));
    for (const [index, { key }] of kept.entries()) refused.set(key, confirmed[index] ? undefined : "alias-taken");
    return outcomes.map((outcome, index) =>
      outcome === "registered" ? (refused.get(wanted[index]?.key as DeviceKey) ?? outcome) : outcome,
    );
  }

  /** Entries of children that say the same. */
  async #living({ key: hub, tenure }: Hub, entries: Entries["entries"]): Promise<readonly Entry[]> {
    const asked = this.#redis.pipeline();
    for (const { key } of entries) this.#askChild(asked, key);
    const replies = await orRedisUnavailable(() => execEach(asked));
    return entries.filter(({ alias }, index) => isAt(placeOf(replies[index]), hub, alias, tenure));
  }

  #askChild(asked: ReturnType<Redis["pipeline"]>, key: DeviceKey): void {
    asked.hmget(this.#keyspace.credential(key), ...PLACE_FIELDS);
  }

  /** For devices that stand under another hub: the tenure of that registration, if it is over. */
  async #tenuresOver(hub: Hub, wanted: readonly Wanted[]): Promise<ReadonlyMap<DeviceKey, string>> {
    const over = new Map<DeviceKey, string>();
    const asked = this.#redis.pipeline();
    for (const { key } of wanted) asked.hmget(this.#keyspace.credential(key), "hub", "hubTenure", "tenure");
    const replies = (await orRedisUnavailable(() => execEach(asked))) as (undefined | (string | null)[])[];
    for (const [index, { key }] of wanted.entries()) {
      const [other, tenure, own] = replies[index] ?? [];
      if (other && tenure && other !== hub.key && (await this.#isOver(other, tenure))) over.set(key, tenure);
      // A hub whose last child went while Redis was away.
      if (own && key !== hub.key) await closeIfEmpty(this.#redis, this.#keyspace, key);
    }
    return over;
  }

  async #adopt(
    { key: hub, tag, tenure }: Hub,
    wanted: readonly Wanted[],
    over: ReadonlyMap<DeviceKey, string>,
    onlyAsk: boolean,
  ): Promise<RegistrationOutcome[]> {
    const { sessionEnd } = this.#keyspace;
    const replies = (await Promise.all(
      wanted.map(({ key, alias, otherSubject }) => {
        const may = otherSubject ? "1" : "0";
        const args = [hub, alias, tenure, tag, may, over.get(key) ?? "", onlyAsk ? "1" : "0", sessionEnd, key];
        return this.#run(ADOPT, key, args);
      }),
    )) as [RegistrationOutcome, number][];
    const keys = wanted.map(({ key }) => key);
    await this.#recorded(
      keys,
      replies.map(([, ended]) => ended),
    );
    return replies.map(([outcome]) => outcome);
  }

  async #recorded(devices: readonly DeviceKey[], numbers: readonly number[]): Promise<void> {
    await Promise.all(
      devices.map(async (device, index) => {
        const number = numbers[index] ?? -1;
        if (number < 0) return;
        await this.#ports.ended(device, number);
        await this.#run(END_RECORDED, device, [number]);
      }),
    );
  }

  /** Throws `CONSENT_CONFLICT` when the hub changed hands meanwhile: then nothing under it speaks. */
  async #standsStill({ key, tenure }: Hub): Promise<void> {
    if (!(await this.#isOver(key, tenure))) return;
    await tidyRegistrations(this.#redis, this.#keyspace, key);
    throw new GatewayError("CONSENT_CONFLICT", "registering children");
  }

  async #isOver(hub: string | undefined, tenure: string | undefined): Promise<boolean> {
    const name = this.#keyspace.credential(hub as DeviceKey);
    const present = await orRedisUnavailable(() => this.#redis.hget(name, "tenure"));
    return present === null || present !== tenure;
  }

  #run(script: RedisScript, device: DeviceKey, args: readonly (string | number)[]): Promise<unknown> {
    return orRedisUnavailable(() => runScript(this.#redis, script, [this.#keyspace.credential(device)], args));
  }
}
