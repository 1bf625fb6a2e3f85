/**
 * Expired consent. It is not used from the moment it ends; the ledger event that records the end follows later, found
 * by a scan of all decisions.
 */
import type { Redis } from "ioredis";
import type { LedgerChange } from "../../model/consent-change.ts";
import type { SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { changeLedger } from "./change.ts";
import { LedgerStore } from "./store.ts";
import { subjectsWith } from "./subject-scan.ts";
import { hasRunOut, statementsOf } from "./subject-state.ts";

export class ConsentExpiry {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #store: LedgerStore;
  readonly #options: { now(): number };

  constructor(redis: Redis, keyspace: Keyspace, options: { now(): number }) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#store = new LedgerStore(redis, keyspace);
    this.#options = options;
  }

  /** Subjects with a device whose consent has expired without being marked so. Throws `REDIS_UNAVAILABLE`. */
  due(): Promise<SubjectTag[]> {
    return subjectsWith(this.#redis, this.#keyspace, (decision) => hasRunOut(decision, this.#options.now()));
  }

  /** Appends the event that the subject's consent has expired, if it has. Throws as every ledger change does. */
  async expire(tag: SubjectTag): Promise<LedgerChange | undefined> {
    let due = false;
    const change = await changeLedger(this.#store, tag, { ...this.#options, journal: {} }, ({ state }) => {
      const now = this.#options.now();
      due = statementsOf(state).some((one) => hasRunOut(one, now));
      return due ? { type: "expired", by: "controller", method: "expiry" } : undefined;
    });
    return due ? change : undefined;
  }
}
