/**
 * What a data subject may say and what follows from it: bind, unbind, ask, give, refuse, withdraw. Every
 * change is one event; the fence grows with every change after which a device may do less than before.
 */
import type { Redis } from "ioredis";
import type {
  GiveInput,
  LedgerAnswer,
  LedgerChange,
  LedgerRefusal,
  RefuseInput,
  RequestInput,
  Silenced,
  WithdrawInput,
} from "../../model/consent-change.ts";
import type { ConsentRecord, EventOf, PurposeTerms } from "../../model/consent-record.ts";
import { DAY_MS } from "../../model/durations.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { type Policy, readFloorPlan, readFloors, readPolicy } from "../policy/policies.ts";
import { roomFor } from "./bound.ts";
import { changeLedger, type Drafted, type LedgerJournal, ON_RECORD } from "./change.ts";
import { DeviceClaims } from "./device-claim.ts";
import { behindNewChain } from "./new-chain.ts";
import type { Draft } from "./plan-change.ts";
import { type StatementDraft, saidAlready, takenBackAlready } from "./said-already.ts";
import { showRecord } from "./show-record.ts";
import { type About, actingGuardian, agreesAnew, copyOf, inRange, refusalOf, termsOf } from "./statement-rules.ts";
import { LedgerStore, type SubjectLedger } from "./store.ts";
import type { SubjectState } from "./subject-state.ts";
import { SubjectTurns } from "./subject-turns.ts";

export interface LedgerOptions {
  /** Shared by all who change ledgers in this process. */
  readonly turns?: SubjectTurns | undefined;
  /** A fresh random subject key, wrapped by the master key. */
  createSubjectKey(): string;
  /** Unix ms. */
  now(): number;
  /** Events after which nothing is added that lets a device do more. */
  readonly wideningLimit?: number;
  /** Who is named as controller in every record. */
  readonly controller: string;
  /** How long consent holds when the subject names no end. */
  readonly expiryDays: number;
  readonly journal: Pick<LedgerJournal, "narrowing" | "minority" | "tokenEnded">;
  /** A ledger of a former owner that does not verify was gone on without. */
  readonly broken?: () => void;
}

export interface Binding extends Pick<LedgerChange, "fence"> {
  readonly moved: boolean;
  /** Of the owners before. */
  readonly silenced: readonly Silenced[];
}

export class Ledger {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #options: LedgerOptions;
  readonly #store: LedgerStore;
  readonly #claims: DeviceClaims;

  constructor(redis: Redis, keyspace: Keyspace, options: LedgerOptions) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#options = { ...options, turns: options.turns ?? new SubjectTurns() };
    this.#store = new LedgerStore(redis, keyspace);
    this.#claims = new DeviceClaims(redis, keyspace);
  }

  /**
   * Binds the device, taking it away from any other subject first (`moved`); its live session ends, and with it the
   * token, which whoever had the device before knows.
   * Throws `REDIS_UNAVAILABLE`, `CONSENT_CONFLICT`, `LEDGER_BROKEN`, `LEDGER_FULL`.
   */
  async bind(tag: SubjectTag, device: DeviceKey): Promise<Binding> {
    // Before anything is taken from anybody.
    const { events, state } = await this.#store.read(tag);
    if (!state.devices.has(device) && roomFor("bound", events.length, false, this.#options.wideningLimit) === "full")
      throw new GatewayError("LEDGER_FULL", "bound");
    const claim = await this.#claims.claim(tag, device, state.devices.has(device));
    // There already. Whoever unbinds it at this moment comes after this, and nothing is bound again behind them.
    if (claim === undefined) return { moved: false, fence: state.fence, silenced: [] };
    const { others, tokenEnded } = claim;
    if (tokenEnded !== undefined) await this.#options.journal.tokenEnded(device, tokenEnded);
    const silenced: Silenced[] = [];
    for (const subject of others) {
      // What became of the record of a former owner is no fault of the next.
      const { broken, now } = this.#options;
      const anew = { redis: this.#redis, keyspace: this.#keyspace, now, broken };
      const dropped = await behindNewChain(anew, subject, () => this.#drop(subject, device));
      // Under a hold of an earlier owner what was set aside of theirs must stay.
      if (dropped === undefined || dropped.silenced.includes(device)) silenced.push({ subject, devices: [device] });
    }
    const bound = await this.#change(tag, ({ state }) =>
      state.devices.has(device) ? undefined : { type: "bound", by: "controller", device },
    );
    if (!(await this.#claims.settle(tag, device, claim))) {
      await this.#drop(tag, device);
      throw new GatewayError("CONSENT_CONFLICT", "binding a device");
    }
    return { moved: others.length > 0, fence: bound.fence, silenced };
  }

  /** `undefined` when the device was not bound to this subject. Throws as `bind` does. */
  async unbind(tag: SubjectTag, device: DeviceKey): Promise<LedgerChange | undefined> {
    // The credential first: from here on no new session can open under this subject.
    await this.#claims.release(tag, device);
    return this.#drop(tag, device);
  }

  async give(tag: SubjectTag, input: GiveInput): Promise<LedgerAnswer> {
    const now = this.#options.now();
    const expiresAt = input.expiresAt ?? now + this.#options.expiryDays * DAY_MS;
    if (!inRange(expiresAt, now)) return { refused: "expiry-out-of-range" };
    const offer = await this.#offer(input, now);
    if ("refused" in offer) return offer;
    const terms = { ...this.#notice(input, offer.policy), purposes: offer.purposes, expiresAt };
    const openEnded = input.expiresAt === undefined;
    return this.#statement(tag, input, openEnded, (state) => ({
      ...terms,
      type: agreesAnew(state, input, now) ? "reconfirmed" : "given",
    }));
  }

  /** Notes down that consent was asked for; it allows nothing, and what stands stays, except of a child that came of age. */
  async request(tag: SubjectTag, input: RequestInput): Promise<LedgerAnswer> {
    const offer = await this.#offer(input, this.#options.now());
    if ("refused" in offer) return offer;
    const { policy, purposes } = offer;
    return this.#statement(tag, input, false, () => ({ ...this.#notice(input, policy), type: "requested", purposes }));
  }

  async refuse(tag: SubjectTag, input: RefuseInput): Promise<LedgerAnswer> {
    const { expiresAt } = input;
    if (expiresAt !== undefined && !inRange(expiresAt, this.#options.now())) return { refused: "expiry-out-of-range" };
    const policy = await readPolicy(this.#redis, this.#keyspace, input.policyVersion);
    if (policy === undefined) return { refused: "policy-version-unknown" };
    return this.#statement(tag, input, false, () => ({ ...this.#notice(input, policy), type: "refused", expiresAt }));
  }

  /**
   * Takes back all, or only the named purposes or categories, or the named categories of the named purposes.
   * Once this resolves no later batch uses what was withdrawn; batches under way end with the drain of the leases.
   * What was taken back already, in the same words and with nothing left of it, is not written down once more.
   */
  async withdraw(tag: SubjectTag, input: WithdrawInput): Promise<LedgerAnswer> {
    const { purposes, categories, devices, evidenceRef, guardianRef, by = "subject", method = "api" } = input;
    const draftOf = () =>
      ({
        type: "withdrawn",
        by,
        method,
        evidenceRef,
        ...actingGuardian({ by, guardianRef }),
        devices: copyOf(devices),
        purposes: copyOf(purposes),
        categories: copyOf(categories),
      }) as const;
    return this.#state(tag, { devices, by, guardianRef }, draftOf, (ledger, draft) =>
      takenBackAlready(ledger, draft, this.#options.now()),
    );
  }

  /** `undefined` when nothing is held about this subject. */
  async record(tag: SubjectTag): Promise<ConsentRecord | undefined> {
    const ledger = await this.#store.read(tag);
    if (ledger.events.length === 0) return undefined;
    const plan = await readFloorPlan(this.#redis, this.#keyspace);
    return showRecord(ledger, { controller: this.#options.controller, plan, now: this.#options.now() });
  }

  /** As below; but what is in force already, in the same words, is not written down once more. */
  async #statement(
    tag: SubjectTag,
    about: About,
    openEnded: boolean,
    draftOf: (state: SubjectState) => StatementDraft,
  ): Promise<LedgerAnswer> {
    return this.#state(tag, about, draftOf, (ledger, draft) => {
      const room = roomFor(draft.type, ledger.events.length, false, this.#options.wideningLimit);
      return room === "append" && saidAlready(ledger, draft, { now: this.#options.now(), openEnded });
    });
  }

  /** Appends a statement, once it is clear that subject and devices exist and that whoever speaks may. */
  async #state<T extends Draft>(
    tag: SubjectTag,
    about: About,
    draftOf: (state: SubjectState) => T,
    isOnRecord: (ledger: SubjectLedger, draft: T) => boolean,
  ): Promise<LedgerAnswer> {
    let refused: LedgerRefusal | undefined;
    const change = await this.#change(tag, (ledger) => {
      const draft = draftOf(ledger.state);
      refused = refusalOf(ledger, draft, about);
      const stands = (refused === undefined || refused === "changed-meanwhile") && isOnRecord(ledger, draft);
      // Whoever asks again after a lost answer builds on what was there before their own change.
      if (stands) refused = undefined;
      if (refused !== undefined) return undefined;
      return stands ? ON_RECORD : draft;
    });
    return refused === undefined ? change : { refused };
  }

  /** What the policy offers of what is consented to, or asked for. */
  async #offer(
    input: RequestInput,
    now: number,
  ): Promise<{ readonly policy: Policy; readonly purposes: PurposeTerms[] } | { readonly refused: LedgerRefusal }> {
    const policy = await readPolicy(this.#redis, this.#keyspace, input.policyVersion);
    if (policy === undefined) return { refused: "policy-version-unknown" };
    const purposes = termsOf(input.purposes, policy);
    if (purposes === undefined) return { refused: "purpose-not-in-policy" };
    const floors = await readFloors(this.#redis, this.#keyspace, now);
    const superseded = purposes.some(({ id }) => input.policyVersion < floors[id]);
    return superseded ? { refused: "policy-superseded" } : { policy, purposes };
  }

  async #drop(tag: SubjectTag, device: DeviceKey): Promise<LedgerChange | undefined> {
    let found = false;
    const change = await this.#change(tag, ({ events, state }) => {
      found = state.devices.has(device);
      if (found) return { type: "unbound", by: "controller", device };
      return events.some((event) => event.type === "unbound" && event.device === device) ? ON_RECORD : undefined;
    });
    return found ? change : undefined;
  }

  #change(tag: SubjectTag, draft: (ledger: SubjectLedger) => Drafted): Promise<LedgerChange> {
    return changeLedger(this.#store, tag, this.#options, draft);
  }

  #notice(input: RefuseInput, policy: Policy) {
    return {
      by: input.by,
      method: input.method,
      evidenceRef: input.evidenceRef,
      ...actingGuardian(input),
      controller: this.#options.controller,
      policyVersion: input.policyVersion,
      policyHash: policy.hash,
      noticeLanguage: input.language,
      jurisdiction: [...input.jurisdiction],
      devices: copyOf(input.devices),
      minor: input.minor,
      guardian: input.guardian,
    } satisfies Partial<EventOf<"refused">>;
  }
}
