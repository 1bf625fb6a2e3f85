/**
 * Legal holds in a subject's ledger. A hold freezes the deletion and every use of what it covers. Several can exist at
 * a time; a device is free only when none covers it any more.
 */
import type { Redis } from "ioredis";
import type { LedgerAnswer, LedgerChange, LedgerRefusal } from "../../model/consent-change.ts";
import type { ConsentEvent, LegalHold } from "../../model/consent-record.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { type ChangeOptions, changeLedger, type LedgerJournal } from "./change.ts";
import { behindNewChain, ledgerOrRemains } from "./new-chain.ts";
import { LedgerStore } from "./store.ts";
import { isHeld } from "./subject-state.ts";
import { SubjectTurns } from "./subject-turns.ts";

export interface HoldsOptions extends Pick<ChangeOptions, "turns" | "now"> {
  readonly journal: Pick<LedgerJournal, "holding">;
  /** Called when work continued without a ledger that does not verify. */
  readonly broken?: () => void;
}

export class LedgerHolds {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #store: LedgerStore;
  readonly #options: HoldsOptions;

  constructor(redis: Redis, keyspace: Keyspace, options: HoldsOptions) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#store = new LedgerStore(redis, keyspace);
    // Only `holding` of a fuller journal: recorded as narrowing, a hold would withdraw consent in a restore.
    const holding: LedgerJournal["holding"] = (tag, ref, hold) => options.journal.holding(tag, ref, hold);
    this.#options = { ...options, journal: { holding }, turns: options.turns ?? new SubjectTurns() };
  }

  /** Why a hold cannot be placed here; `undefined` when it can. */
  async refusal(tag: SubjectTag, hold: LegalHold): Promise<LedgerRefusal | undefined> {
    return refusalOf((await this.#store.read(tag)).events, hold);
  }

  /**
   * Once this resolves, no later batch uses what is covered; batches in progress end when the leases drain. Repeating
   * the same hold changes nothing. Throws as every ledger change does.
   */
  async place(tag: SubjectTag, hold: LegalHold): Promise<LedgerAnswer> {
    let refused: LedgerRefusal | undefined;
    const change = await changeLedger(this.#store, tag, this.#options, ({ events, state }) => {
      refused = refusalOf(events, hold);
      if (refused === undefined && !sameHold(state.holds.get(hold.ref), hold)) {
        const devices = hold.devices && [...hold.devices];
        return { type: "held", by: "authority", method: "legal-hold", ref: hold.ref, until: hold.until, devices };
      }
      return undefined;
    });
    return refused === undefined ? change : { refused };
  }

  /** `silenced` lists what may be deleted now and is not used for anything, including devices that moved away. */
  release(tag: SubjectTag, ref: string): Promise<LedgerAnswer> {
    return this.#whateverIsLeft(tag, () => this.#release(tag, ref));
  }

  async #release(tag: SubjectTag, ref: string): Promise<LedgerAnswer> {
    let found = false;
    const change = await changeLedger(this.#store, tag, this.#options, ({ state }) => {
      found = state.holds.has(ref);
      return found ? { type: "released", by: "authority", method: "legal-hold", ref } : undefined;
    });
    return found ? this.#withFormer(tag, change) : { refused: "hold-unknown" };
  }

  /** Ends the holds whose time is over. Returns one change for each. */
  expire(tag: SubjectTag): Promise<LedgerChange[]> {
    return this.#whateverIsLeft(tag, () => this.#expire(tag));
  }

  async #expire(tag: SubjectTag): Promise<LedgerChange[]> {
    const changes: LedgerChange[] = [];
    for (;;) {
      let ref: string | undefined;
      const change = await changeLedger(this.#store, tag, this.#options, ({ state }) => {
        ref = [...state.holds.values()].find(({ until }) => until <= this.#options.now())?.ref;
        return ref === undefined ? undefined : { type: "released", by: "controller", method: "expiry", ref };
      });
      if (ref === undefined) return changes;
      changes.push(await this.#withFormer(tag, change));
    }
  }

  /** A device that moved away under the hold left data that no later change of this ledger would name. */
  async #withFormer(tag: SubjectTag, change: LedgerChange): Promise<LedgerChange> {
    const { events, state } = await this.#store.read(tag);
    const former = [...everBound(events)].filter((device) => !state.devices.has(device) && !isHeld(state, device));
    return { ...change, silenced: [...new Set([...change.silenced, ...former])] };
  }

  standing(tag: SubjectTag): Promise<readonly LegalHold[]> {
    return standingHolds(this.#redis, this.#keyspace, tag, this.#options.broken);
  }

  /** A release gives rights back: a record that cannot be verified must not prevent it. */
  #whateverIsLeft<T>(tag: SubjectTag, work: () => Promise<T>): Promise<T> {
    const { now, broken } = this.#options;
    return behindNewChain({ redis: this.#redis, keyspace: this.#keyspace, now, broken }, tag, work);
  }
}

/**
 * Standing holds, even past their end date: a hold stands until it is released. Includes the holds of a broken ledger.
 */
export async function standingHolds(
  redis: Redis,
  keyspace: Keyspace,
  tag: SubjectTag,
  broken: () => void = () => undefined,
): Promise<readonly LegalHold[]> {
  return [...(await ledgerOrRemains(redis, keyspace, tag, broken)).state.holds.values()];
}

function refusalOf(events: readonly ConsentEvent[], hold: LegalHold): LedgerRefusal | undefined {
  if (events.length === 0) return "unknown-subject";
  // Includes devices that moved away since: the data they left are still there.
  const known = everBound(events);
  return hold.devices?.some((device) => !known.has(device)) ? "device-not-bound" : undefined;
}

function everBound(events: readonly ConsentEvent[]): ReadonlySet<DeviceKey> {
  return new Set(events.flatMap((event) => (event.type === "bound" ? [event.device] : [])));
}

export function sameHold(left: LegalHold | undefined, right: LegalHold): boolean {
  if (left === undefined || left.until !== right.until) return false;
  const [mine, theirs] = [left.devices, right.devices].map((devices) => devices && [...devices].sort().join());
  return mine === theirs;
}
