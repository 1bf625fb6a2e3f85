/**
 * What a data subject can state and what follows: bind, unbind, request, give, refuse, withdraw. Every change is one
 * event; the fence grows with every change after which a device may do less than before.
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
import { type CredentialEnd, DeviceClaims } from "./device-claim.ts";
import { behindNewChain } from "./new-chain.ts";
import type { Draft } from "./plan-change.ts";
import { type StatementDraft, saidAlready, takenBackAlready } from "./said-already.ts";
import { showRecord } from "./show-record.ts";
import { type About, actingGuardian, agreesAnew, copyOf, inRange, refusalOf, termsOf } from "./statement-rules.ts";
import { LedgerStore, type SubjectLedger } from "./store.ts";
import type { SubjectState } from "./subject-state.ts";
import { SubjectTurns } from "./subject-turns.ts";

export interface LedgerOptions {
  /** Shared by all ledger changes in this process. */
  readonly turns?: SubjectTurns | undefined;
  /** Creates a random subject key, wrapped by the master key. */
  createSubjectKey(): string;
  /** Unix ms. */
  now(): number;
  /** Number of events after which no event is added that lets a device do more. */
  readonly wideningLimit?: number;
  /** The controller named in every record. */
  readonly controller: string;
  /** How long consent lasts when the subject sets no end. */
  readonly expiryDays: number;
  readonly journal: Pick<LedgerJournal, "narrowing" | "minority" | "tokenEnded">;
  /** Called when work continued without a former owner's ledger that does not verify. */
  readonly broken?: () => void;
}

export interface Binding extends Pick<LedgerChange, "fence"> {
  readonly moved: boolean;
  /** Of the previous owners. */
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
   * Binds the device and first removes it from any other subject (`moved`). Its live session ends, and so does its
   * token, because the previous owner knows it; its children, and its place behind a hub, are the previous owner's word and
   * end too. Throws `REDIS_UNAVAILABLE`, `CONSENT_CONFLICT`, `LEDGER_BROKEN`,
   * `LEDGER_FULL`.
   */
  async bind(tag: SubjectTag, device: DeviceKey): Promise<Binding> {
    // Checked before anything is taken away from another subject.
    const { events, state } = await this.#store.read(tag);
    if (!state.devices.has(device) && roomFor("bound", events.length, false, this.#options.wideningLimit) === "full")
      throw new GatewayError("LEDGER_FULL", "bound");
    const claim = await this.#claims.claim(tag, device, state.devices.has(device));
    // Already bound. A concurrent unbind is ordered after this call, and nothing is bound again after it.
    if (claim === undefined) return { moved: false, fence: state.fence, silenced: [] };
    const { others } = claim;
    await this.#noteEnd(device, claim.ended);
    await this.#claims.tidy(device, undefined);
    const silenced: Silenced[] = [];
    for (const subject of others) {
      // A former owner's damaged record must not block the next owner.
      const { broken, now } = this.#options;
      const anew = { redis: this.#redis, keyspace: this.#keyspace, now, broken };
      const dropped = await behindNewChain(anew, subject, () => this.#drop(subject, device));
      // Under a former owner's hold, the data retained for it must be kept.
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
    const ended = await this.#claims.release(tag, device);
    const change = await this.#drop(tag, device);
    await this.#noteEnd(device, ended);
    await this.#claims.tidy(device, ended);
    return change;
  }

  async #noteEnd(device: DeviceKey, end: CredentialEnd | undefined): Promise<void> {
    if (end !== undefined) await this.#options.journal.tokenEnded(device, end.number, end.standing);
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

  /**
   * Records that consent was requested. This allows nothing; existing statements are kept, except those of a child that
   * came of age.
   */
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
   * Withdraws everything, or only the named purposes or categories, or the named categories of the named purposes. Once
   * this resolves, no later batch uses what was withdrawn; batches in progress end when the leases drain. A repetition
   * in the same words, when nothing of it is left to withdraw, is not recorded again.
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

  /** `undefined` when nothing is stored about this subject. */
  async record(tag: SubjectTag): Promise<ConsentRecord | undefined> {
    const ledger = await this.#store.read(tag);
    if (ledger.events.length === 0) return undefined;
    const plan = await readFloorPlan(this.#redis, this.#keyspace);
    return showRecord(ledger, { controller: this.#options.controller, plan, now: this.#options.now() });
  }

  /** As below; but a statement that repeats in the same words what is in force is not recorded again. */
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

  /** Appends a statement after checking that subject and devices exist and that the caller may make it. */
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
      // A caller that repeats its request after a lost answer refers to the state before its own change.
      if (stands) refused = undefined;
      if (refused !== undefined) return undefined;
      return stands ? ON_RECORD : draft;
    });
    return refused === undefined ? change : { refused };
  }

  /** The part of the consent, or of the request, that the policy offers. */
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
