/**
 * Hands each service of one purpose what that may have of single devices, as JSON on the topics of the contract, and nothing that is
 * not on the account of disclosures before, under no name that is not noted as forwarded. A record for which no one listens is not
 * even built. Weather services are told of crowds alone, see crowd-topics.ts.
 */
import { type CategoryMask, IP, MODEL, PURPOSE_USES, STATUS } from "../../model/consent.ts";
import type { NetworkRecord, SceneRecord } from "../../model/deidentified.ts";
import type { DeviceDelivery } from "../../model/delivery.ts";
import { dayOf, type Outgoing, type Recipient } from "../../model/disclosure.ts";
import { type ForwardedName, forgottenBy } from "../../model/forwarded-name.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { NamedServicePurpose, ServicePurpose } from "../../model/purposes.ts";
import type { Accounting, SubjectAccount } from "./disclosure-accounting.ts";
import type { NotedNames } from "./noted-names.ts";

/** One service that listens to one purpose, on however many connections. */
export interface Outlet {
  readonly recipient: Recipient;
  /** What it gets of that which the purpose uses. */
  readonly categories: CategoryMask;
  /** Grows with whatever it begins to listen to or may be given. */
  readonly changes: number;
  /** Whether it listens to `processed/<purpose>/<name>`. */
  hears(name: string): boolean;
  /** Hands it over; false when no connection of the service took it. `packet` is called only for one that listens. */
  deliver(name: string, packet: () => Buffer): boolean;
}

/** Those who are delivered to. */
export interface Listeners {
  /** Whether there are any that `outlets` names. */
  listening(purpose: ServicePurpose): boolean;
  /** The services entitled to the purpose that listen right now. */
  outlets(purpose: ServicePurpose): readonly Outlet[];
  /** As `Delivery.left`. */
  left(signal: AbortSignal): Promise<void> | undefined;
}

export interface PurposeTopicsPort {
  readonly to: Listeners;
  /** The bytes that carry a payload to `processed/<purpose>/<name>`, the same for all. */
  packet(purpose: ServicePurpose, name: string, payload: string): Buffer;
  /** How many records of which purpose went out. */
  counted(purpose: ServicePurpose, count: number): void;
  /** Unix ms. */
  now(): number;
}

type Told = Outgoing["result"];

/** What has to stand somewhere before a batch may be handed over. */
interface Wanted {
  readonly accounts: Map<SubjectAccount, Set<Recipient>>;
  /** By recipient and name. */
  readonly names: Map<string, ForwardedName>;
}

/** The services that are handed a batch; `sure`: all names that it hears in it are known to be noted. */
interface Target {
  readonly outlet: Outlet;
  readonly sure: boolean;
}

/** What is kept of whom something was disclosed to, the same for both purposes. */
export interface Disclosed {
  readonly accounting: Accounting;
  readonly names: NotedNames;
  /** Of the names of services. */
  readonly epochMs: number;
}

/** Of one subject and recipient, beside the account: the names of most homes. */
const NAMES_AT_HAND = 8;

export class PurposeTopics implements DeviceDelivery {
  readonly #port: PurposeTopicsPort;
  readonly #accounting: Accounting;
  readonly #names: NotedNames;
  readonly #epochMs: number;
  readonly #purpose: NamedServicePurpose;

  constructor(port: PurposeTopicsPort, { accounting, names, epochMs }: Disclosed, purpose: NamedServicePurpose) {
    this.#port = port;
    this.#accounting = accounting;
    this.#names = names;
    this.#epochMs = epochMs;
    this.#purpose = purpose;
  }

  listening(): boolean {
    return this.#port.to.listening(this.#purpose);
  }

  left(signal: AbortSignal): Promise<void> | undefined {
    return this.#port.to.left(signal);
  }

  /**
   * Puts all services on the account that would get something of the batch now, and notes under which names. Resolves with what
   * hands it over, which says for each of them whether anybody got it. Rejects when one of the two can't be written.
   */
  async announce(batch: readonly Outgoing[]): Promise<() => boolean[]> {
    const listening = this.#port.to.outlets(this.#purpose);
    if (batch.length === 0 || listening.length === 0) return () => new Array<boolean>(batch.length).fill(false);
    const day = dayOf(this.#port.now());
    const accounts = batch.map(({ subject, revision }) => this.#accounting.account(subject, revision, day));
    const wanted: Wanted = { accounts: new Map(), names: new Map() };
    for (const outlet of listening) this.#want(outlet, batch, accounts, wanted);
    const heard = new Map(listening.map((outlet) => [outlet, outlet.changes]));
    if (wanted.accounts.size + wanted.names.size > 0) await this.#write(wanted);
    return () => this.#forward(batch, accounts, wanted.names, heard);
  }

  /** Both at once; a name that is noted and not used does no harm. */
  async #write({ accounts, names }: Wanted): Promise<void> {
    const lines = [...accounts].flatMap(([account, recipients]) =>
      [...recipients].map((recipient) => [account, recipient] as const),
    );
    await Promise.all([
      lines.length > 0 ? this.#accounting.open(lines) : undefined,
      names.size > 0 ? this.#names.note([...names.values()]) : undefined,
    ]);
  }

  #want(
    outlet: Outlet,
    batch: readonly Outgoing[],
    accounts: readonly SubjectAccount[],
    { accounts: lines, names }: Wanted,
  ): void {
    const { recipient, categories } = outlet;
    const isWhole = categories === PURPOSE_USES[this.#purpose];
    const name = NAMES[this.#purpose];
    const tells = TELLS[this.#purpose];
    for (let index = 0; index < batch.length; index += 1) {
      const account = accounts[index];
      const outgoing = batch[index];
      if (account === undefined || outgoing === undefined) continue;
      const heard = name(outgoing.result);
      if (heard === undefined) continue;
      const home = HOMES[this.#purpose](outgoing.result);
      const open = this.#accounting.isOpen(account, recipient);
      const noted = account.noted[recipient.index]?.includes(heard) || this.#isNoted(account, recipient, heard);
      const homeNoted = home === undefined || this.#names.has(recipient, home);
      if ((open && noted && homeNoted) || !outlet.hears(heard)) continue;
      if (!isWhole && !tells(outgoing.result, categories)) continue;
      if (!open) {
        const recipients = lines.get(account);
        if (recipients === undefined) lines.set(account, new Set([recipient]));
        else recipients.add(recipient);
      }
      if (!noted) this.#add(names, outgoing, recipient, heard);
      if (!homeNoted) this.#add(names, outgoing, recipient, home);
    }
  }

  #add(
    names: Wanted["names"],
    { subject, wrappedSubjectKey, at }: Outgoing,
    recipient: Recipient,
    name: Pseudonym,
  ): void {
    const until = forgottenBy(at, this.#epochMs);
    names.set(keyOf(recipient, name), { subject, wrappedSubjectKey, recipient, name, until });
  }

  #isNoted({ noted }: SubjectAccount, recipient: Recipient, name: Pseudonym): boolean {
    if (!this.#names.has(recipient, name)) return false;
    const atHand = noted[recipient.index];
    if (atHand === undefined) noted[recipient.index] = [name];
    else if (atHand.length < NAMES_AT_HAND) atHand.push(name);
    else atHand.splice(0, NAMES_AT_HAND, name);
    return true;
  }

  /** `noted`: just now, whether they are still remembered or not. `heard`: who has been asked what it hears, and when. */
  #forward(
    batch: readonly Outgoing[],
    accounts: readonly SubjectAccount[],
    noted: ReadonlyMap<string, ForwardedName>,
    heard: ReadonlyMap<Outlet, number>,
  ): boolean[] {
    const delivered = new Array<boolean>(batch.length).fill(false);
    // Asked again: a service that stopped listening, or may not listen any more, gets nothing.
    const targets = this.#port.to
      .outlets(this.#purpose)
      .map((outlet): Target => ({ outlet, sure: heard.get(outlet) === outlet.changes }));
    if (targets.length === 0) return delivered;
    let count = 0;
    for (let index = 0; index < batch.length; index += 1) {
      const outgoing = batch[index];
      const account = accounts[index];
      if (outgoing === undefined || account === undefined) continue;
      if (!this.#hand(outgoing.result, account, targets, noted)) continue;
      delivered[index] = true;
      count += 1;
    }
    if (count > 0) this.#port.counted(this.#purpose, count);
    return delivered;
  }

  #hand(
    result: Told,
    account: SubjectAccount,
    targets: readonly Target[],
    noted: ReadonlyMap<string, ForwardedName>,
  ): boolean {
    const purpose = this.#purpose;
    const name = NAMES[purpose](result);
    const home = HOMES[purpose](result);
    if (name === undefined) return false;
    let made: Buffer | undefined;
    const packet = (): Buffer => {
      made ??= this.#port.packet(purpose, name, PAYLOADS[purpose](result, PURPOSE_USES[purpose]));
      return made;
    };
    let delivered = false;
    for (const { outlet, sure } of targets) {
      // A service that began to listen after the account was written is not on it, and hears the next batch.
      const { recipient, categories } = outlet;
      if (!this.#accounting.isOpen(account, recipient)) continue;
      const isKnown = (one: Pseudonym): boolean =>
        sure || this.#names.has(recipient, one) || noted.has(keyOf(recipient, one));
      if (!isKnown(name) || (home !== undefined && !isKnown(home))) continue;
      const isWhole = categories === PURPOSE_USES[purpose];
      if (!isWhole && !TELLS[purpose](result, categories)) continue;
      const bytes = isWhole
        ? packet
        : (): Buffer => this.#port.packet(purpose, name, PAYLOADS[purpose](result, categories));
      if (!outlet.deliver(name, bytes)) continue;
      this.#accounting.count(account, recipient);
      delivered = true;
    }
    return delivered;
  }
}

function keyOf({ index }: Recipient, name: Pseudonym): string {
  return `${index} ${name}`;
}

/** The last level of the topic; `undefined` when there is nothing for the purpose. */
const NAMES: Readonly<Record<NamedServicePurpose, (told: Told) => Pseudonym | undefined>> = {
  scene: ({ scene }) => scene?.device,
  network: ({ network }) => network?.device,
};

/** What stands beside it and is a name as well, to be forgotten like it. */
const HOMES: Readonly<Record<NamedServicePurpose, (told: Told) => Pseudonym | undefined>> = {
  scene: ({ scene }) => scene?.home,
  network: () => undefined,
};

/** Whether anything of it is left within these categories. */
const TELLS: Readonly<Record<NamedServicePurpose, (told: Told, categories: CategoryMask) => boolean>> = {
  scene: (_told, categories) => (categories & STATUS) !== 0,
  network: ({ network }, categories) =>
    ((categories & MODEL) !== 0 && network?.model !== undefined) ||
    ((categories & IP) !== 0 && network?.ipPrefix !== undefined),
};

/** Each names the fields of its contract one by one: a field added to a record does not leave by itself. */
const PAYLOADS: Readonly<Record<NamedServicePurpose, (told: Told, categories: CategoryMask) => string>> = {
  scene: ({ scene }, categories) => scenePayload(scene as SceneRecord, categories),
  network: ({ network }, categories) => networkPayload(network as NetworkRecord, categories),
};

function scenePayload(scene: SceneRecord, categories: CategoryMask): string {
  const { device, home, model, status, at, cause, current } = scene;
  const told = (categories & MODEL) === 0 ? undefined : model;
  return JSON.stringify({ device, home, model: told, status, at, cause, current });
}

function networkPayload({ device, model, ipPrefix, at, current }: NetworkRecord, categories: CategoryMask): string {
  return JSON.stringify({
    device,
    model: (categories & MODEL) === 0 ? undefined : model,
    ipPrefix: (categories & IP) === 0 ? undefined : ipPrefix,
    at,
    current,
  });
}
