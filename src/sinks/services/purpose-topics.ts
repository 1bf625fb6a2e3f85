/**
 * Hands each service of one purpose what that may have of single devices, as JSON on the topics of the contract, and nothing that is
 * not on the account of disclosures before. A record for which nobody listens is not even built. Weather services are told of
 * crowds alone, see crowd-topics.ts.
 */
import type { ServicePurpose } from "../../model/consent.ts";
import type { NetworkRecord, SceneRecord } from "../../model/deidentified.ts";
import { dayOf, type Outgoing, type Recipient } from "../../model/disclosure.ts";
import type { Accounting, SubjectAccount } from "./disclosure-accounting.ts";

/** One service that listens to one purpose, on however many connections. */
export interface Outlet {
  readonly recipient: Recipient;
  /** Whether it listens to `processed/<purpose>/<name>`. */
  hears(name: string): boolean;
  /** Hands it over; false when no connection of the service took it. `packet` is called only for one that listens. */
  deliver(name: string, packet: () => Buffer): boolean;
}

export interface PurposeTopicsPort {
  /** The services entitled to the purpose that listen right now. */
  outlets(purpose: ServicePurpose): readonly Outlet[];
  /** The bytes that carry a payload to `processed/<purpose>/<name>`, the same for everybody. */
  packet(purpose: ServicePurpose, name: string, payload: string): Buffer;
  /** How many records of which purpose went out. */
  counted(purpose: ServicePurpose, count: number): void;
  /** Unix ms. */
  now(): number;
}

/** The purposes whose services are told of single devices. */
type DevicePurpose = "scene" | "network";
type Told = Outgoing["result"];

export class PurposeTopics {
  readonly #port: PurposeTopicsPort;
  readonly #accounting: Accounting;
  readonly #purpose: DevicePurpose;

  constructor(port: PurposeTopicsPort, accounting: Accounting, purpose: DevicePurpose) {
    this.#port = port;
    this.#accounting = accounting;
    this.#purpose = purpose;
  }

  /**
   * Puts everybody on the account who would get something of the batch now. Resolves with what hands it over,
   * which says for each of them whether anybody got it. Rejects when the account can't be written.
   */
  async announce(batch: readonly Outgoing[]): Promise<() => boolean[]> {
    const listening = this.#port.outlets(this.#purpose);
    if (batch.length === 0 || listening.length === 0) return () => new Array<boolean>(batch.length).fill(false);
    const day = dayOf(this.#port.now());
    const accounts = batch.map(({ subject, revision }) => this.#accounting.account(subject, revision, day));
    const wanted = new Map<SubjectAccount, Set<Recipient>>();
    for (const outlet of listening) this.#want(outlet, batch, accounts, wanted);
    if (wanted.size > 0) {
      await this.#accounting.open(
        [...wanted].flatMap(([account, recipients]) =>
          [...recipients].map((recipient) => [account, recipient] as const),
        ),
      );
    }
    return () => this.#forward(batch, accounts);
  }

  #want(
    outlet: Outlet,
    batch: readonly Outgoing[],
    accounts: readonly SubjectAccount[],
    wanted: Map<SubjectAccount, Set<Recipient>>,
  ): void {
    const { recipient } = outlet;
    const name = NAMES[this.#purpose];
    for (let index = 0; index < batch.length; index += 1) {
      const account = accounts[index];
      const outgoing = batch[index];
      if (account === undefined || outgoing === undefined || this.#accounting.isOpen(account, recipient)) continue;
      const heard = name(outgoing.result);
      if (heard === undefined || !outlet.hears(heard)) continue;
      const recipients = wanted.get(account);
      if (recipients === undefined) wanted.set(account, new Set([recipient]));
      else recipients.add(recipient);
    }
  }

  #forward(batch: readonly Outgoing[], accounts: readonly SubjectAccount[]): boolean[] {
    const delivered = new Array<boolean>(batch.length).fill(false);
    // Asked anew: who stopped listening, or may not listen any more, gets nothing.
    const outlets = this.#port.outlets(this.#purpose);
    if (outlets.length === 0) return delivered;
    let count = 0;
    for (let index = 0; index < batch.length; index += 1) {
      const outgoing = batch[index];
      const account = accounts[index];
      if (outgoing === undefined || account === undefined) continue;
      if (!this.#hand(outgoing.result, account, outlets)) continue;
      delivered[index] = true;
      count += 1;
    }
    if (count > 0) this.#port.counted(this.#purpose, count);
    return delivered;
  }

  #hand(result: Told, account: SubjectAccount, outlets: readonly Outlet[]): boolean {
    const purpose = this.#purpose;
    const name = NAMES[purpose](result);
    if (name === undefined) return false;
    let made: Buffer | undefined;
    const packet = (): Buffer => {
      made ??= this.#port.packet(purpose, name, PAYLOADS[purpose](result));
      return made;
    };
    let delivered = false;
    for (const outlet of outlets) {
      // Whoever began to listen after the account was written is not on it, and hears the next batch.
      if (!this.#accounting.isOpen(account, outlet.recipient) || !outlet.deliver(name, packet)) continue;
      this.#accounting.count(account, outlet.recipient);
      delivered = true;
    }
    return delivered;
  }
}

/** The last level of the topic; `undefined` when there is nothing for the purpose. */
const NAMES: Readonly<Record<DevicePurpose, (told: Told) => string | undefined>> = {
  scene: ({ scene }) => scene?.device,
  network: ({ network }) => network?.device,
};

/** Each names the fields of its contract one by one: a field added to a record does not leave by itself. */
const PAYLOADS: Readonly<Record<DevicePurpose, (told: Told) => string>> = {
  scene: ({ scene }) => scenePayload(scene as SceneRecord),
  network: ({ network }) => networkPayload(network as NetworkRecord),
};

function scenePayload({ device, model, status, at }: SceneRecord): string {
  return JSON.stringify({ device, model, status, at });
}

function networkPayload({ device, model, ipPrefix, at }: NetworkRecord): string {
  return JSON.stringify({ device, model, ipPrefix, at });
}
