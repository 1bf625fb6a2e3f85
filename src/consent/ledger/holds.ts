/**
 * Legal holds in the ledger of a subject. A hold freezes deletion and every use of what it covers; several
 * can stand at a time, and a device is free only when none of them covers it any more.
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
  /** A ledger that does not verify was gone on without. */
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
    // Of a journal that has more, the hold alone: noted as narrowed, it would withdraw consent in a restore.
    const holding: LedgerJournal["holding"] = (tag, ref, hold) => options.journal.holding(tag, ref, hold);
    this.#options = { ...options, journal: { holding }, turns: options.turns ?? new SubjectTurns() };
  }

  /** Why a hold can't be placed here; `undefined` when it can. */
  async refusal(tag: SubjectTag, hold: LegalHold): Promise<LedgerRefusal | undefined> {
    return refusalOf((await this.#store.read(tag)).events, hold);
  }

  /**
   * Once this resolves no later batch uses what is covered; batches under way end with the drain of the
   * leases. The same hold again changes nothing. Throws as every change of a ledger does.
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

  /** `silenced` names what may be deleted now and is of no use to anyone, devices that have moved on included. */
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

  /** A device that moved on under the hold left behind what no later change of this ledger would name. */
  async #withFormer(tag: SubjectTag, change: LedgerChange): Promise<LedgerChange> {
    const { events, state } = await this.#store.read(tag);
    const former = [...everBound(events)].filter((device) => !state.devices.has(device) && !isHeld(state, device));
    return { ...change, silenced: [...new Set([...change.silenced, ...former])] };
  }

  standing(tag: SubjectTag): Promise<readonly LegalHold[]> {
    return standingHolds(this.#redis, this.#keyspace, tag, this.#options.broken);
  }

  /** An end gives rights back: a record that cannot be verified must not keep it from coming. */
  #whateverIsLeft<T>(tag: SubjectTag, work: () => Promise<T>): Promise<T> {
    const { now, broken } = this.#options;
    return behindNewChain({ redis: this.#redis, keyspace: this.#keyspace, now, broken }, tag, work);
  }
}

/** Those that stand, whether or not their time is over: until its release a hold holds. So do those of a ledger that broke. */
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
  // Also of a device that has moved on since: what it left behind is still there.
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
