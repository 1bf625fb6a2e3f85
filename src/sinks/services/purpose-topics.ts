/**
 * Hands each scene and network service what its purpose may have, as JSON on the topics of the contract, and nothing that is
 * not on the account of disclosures before. A record for which nobody listens is not even built. Weather services are told of
 * crowds alone, see crowd-topics.ts.
 */
import { type CategoryMask, IP, MODEL, PURPOSE_USES, type ServicePurpose, STATUS } from "../../model/consent.ts";
import type { Deidentified, NetworkRecord, SceneRecord } from "../../model/deidentified.ts";
import { dayOf, type Outgoing, type Recipient } from "../../model/disclosure.ts";
import type { Accounting, SubjectAccount } from "./disclosure-accounting.ts";

/** One service that listens to one purpose, on however many connections. */
export interface Outlet {
  readonly recipient: Recipient;
  /** What it gets of that which the purpose uses. */
  readonly categories: CategoryMask;
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

/** The purposes of which a service gets each message. */
const MESSAGE_PURPOSES = ["scene", "network"] as const;
type MessagePurpose = (typeof MESSAGE_PURPOSES)[number];

export class PurposeTopics {
  readonly #port: PurposeTopicsPort;
  readonly #accounting: Accounting;

  constructor(port: PurposeTopicsPort, accounting: Accounting) {
    this.#port = port;
    this.#accounting = accounting;
  }

  /**
   * Puts everybody on the account who would get something of the batch now. Resolves with what hands it over,
   * which tells for each message whether anybody got something of it. Rejects when the account can't be written.
   */
  async announce(batch: readonly Outgoing[]): Promise<() => boolean[]> {
    const listening = MESSAGE_PURPOSES.flatMap((purpose) => this.#port.outlets(purpose));
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
    const { recipient, categories } = outlet;
    const isWhole = categories === PURPOSE_USES[recipient.purpose];
    const name = NAMES[recipient.purpose as MessagePurpose];
    for (let index = 0; index < batch.length; index += 1) {
      const account = accounts[index];
      const outgoing = batch[index];
      if (account === undefined || outgoing === undefined || this.#accounting.isOpen(account, recipient)) continue;
      const heard = name(outgoing.result);
      if (heard === undefined || !outlet.hears(heard)) continue;
      if (!isWhole && !TELLS[recipient.purpose as MessagePurpose](outgoing.result, categories)) continue;
      const recipients = wanted.get(account);
      if (recipients === undefined) wanted.set(account, new Set([recipient]));
      else recipients.add(recipient);
    }
  }

  #forward(batch: readonly Outgoing[], accounts: readonly SubjectAccount[]): boolean[] {
    const delivered = new Array<boolean>(batch.length).fill(false);
    for (const purpose of MESSAGE_PURPOSES) {
      // Asked anew: who stopped listening, or may not listen any more, gets nothing.
      const outlets = this.#port.outlets(purpose);
      if (outlets.length === 0) continue;
      let count = 0;
      for (let index = 0; index < batch.length; index += 1) {
        const outgoing = batch[index];
        const account = accounts[index];
        if (outgoing === undefined || account === undefined) continue;
        if (!this.#hand(purpose, outgoing.result, account, outlets)) continue;
        delivered[index] = true;
        count += 1;
      }
      if (count > 0) this.#port.counted(purpose, count);
    }
    return delivered;
  }

  #hand(purpose: MessagePurpose, result: Deidentified, account: SubjectAccount, outlets: readonly Outlet[]): boolean {
    const name = NAMES[purpose](result);
    if (name === undefined) return false;
    let made: Buffer | undefined;
    const packet = (): Buffer => {
      made ??= this.#port.packet(purpose, name, PAYLOADS[purpose](result, PURPOSE_USES[purpose]));
      return made;
    };
    let delivered = false;
    for (const outlet of outlets) {
      // Whoever began to listen after the account was written is not on it, and hears the next batch.
      if (!this.#accounting.isOpen(account, outlet.recipient)) continue;
      const { categories } = outlet;
      const isWhole = categories === PURPOSE_USES[purpose];
      if (!isWhole && !TELLS[purpose](result, categories)) continue;
      const bytes = isWhole
        ? packet
        : (): Buffer => this.#port.packet(purpose, name, PAYLOADS[purpose](result, categories));
      if (!outlet.deliver(name, bytes)) continue;
      this.#accounting.count(account, outlet.recipient);
      delivered = true;
    }
    return delivered;
  }
}

/** The last level of the topic; `undefined` when the message has nothing for the purpose. */
const NAMES: Readonly<Record<MessagePurpose, (message: Deidentified) => string | undefined>> = {
  scene: ({ scene }) => scene?.device,
  network: ({ network }) => network?.device,
};

/** Whether anything of the message is left within these categories. */
const TELLS: Readonly<Record<MessagePurpose, (message: Deidentified, categories: CategoryMask) => boolean>> = {
  scene: (_message, categories) => (categories & STATUS) !== 0,
  network: ({ network }, categories) =>
    ((categories & MODEL) !== 0 && network?.model !== undefined) ||
    ((categories & IP) !== 0 && network?.ipPrefix !== undefined),
};

/** Each names the fields of its contract one by one: a field added to a record does not leave by itself. */
const PAYLOADS: Readonly<Record<MessagePurpose, (message: Deidentified, categories: CategoryMask) => string>> = {
  scene: ({ scene }, categories) => scenePayload(scene as SceneRecord, categories),
  network: ({ network }, categories) => networkPayload(network as NetworkRecord, categories),
};

function scenePayload({ device, model, status, at }: SceneRecord, categories: CategoryMask): string {
  return JSON.stringify({ device, model: (categories & MODEL) === 0 ? undefined : model, status, at });
}

function networkPayload({ device, model, ipPrefix, at }: NetworkRecord, categories: CategoryMask): string {
  return JSON.stringify({
    device,
    model: (categories & MODEL) === 0 ? undefined : model,
    ipPrefix: (categories & IP) === 0 ? undefined : ipPrefix,
    at,
  });
}
