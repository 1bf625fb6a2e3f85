/**
 * Hands weather services what is told of crowds, as JSON on the topics of the contract, once every person whose values are in it
 * has the service on the account. How many people there were is not told: that they were enough is.
 */
import { PURPOSE_USES } from "../../model/consent.ts";
import type { CrowdTelling } from "../../model/crowd.ts";
import type { Delivery } from "../../model/delivery.ts";
import { dayOf } from "../../model/disclosure.ts";
import type { Accounting, SubjectAccount } from "./disclosure-accounting.ts";
import type { Outlet, PurposeTopicsPort } from "./purpose-topics.ts";

/** The least number of people that any configuration allows. */
const SUBJECTS = "5+";

export class CrowdTopics implements Delivery<CrowdTelling, number> {
  readonly #port: PurposeTopicsPort;
  readonly #accounting: Accounting;

  constructor(port: PurposeTopicsPort, accounting: Accounting) {
    this.#port = port;
    this.#accounting = accounting;
  }

  listening(): boolean {
    return this.#port.to.listening("weather");
  }

  left(signal: AbortSignal): Promise<void> | undefined {
    return this.#port.to.left(signal);
  }

  /**
   * Puts the services that listen now on the account of every member. Resolves with what hands it over, which tells how many
   * tellings a service got. Rejects when the account can't be written.
   */
  async announce(tellings: readonly CrowdTelling[]): Promise<() => number> {
    const day = dayOf(this.#port.now());
    const accounts = tellings.map(({ members }) =>
      members.map(({ subject, revision }) => this.#accounting.account(subject, revision, day)),
    );
    const wanted: (readonly [SubjectAccount, Outlet["recipient"]])[] = [];
    for (const outlet of this.#outlets()) {
      const { recipient } = outlet;
      const closed = new Set<SubjectAccount>();
      for (const [index, { record }] of tellings.entries()) {
        if (!outlet.hears(record.cell)) continue;
        for (const account of accounts[index] ?? []) {
          if (!this.#accounting.isOpen(account, recipient)) closed.add(account);
        }
      }
      for (const account of closed) wanted.push([account, recipient]);
    }
    if (wanted.length > 0) await this.#accounting.open(wanted);
    return () => this.#forward(tellings, accounts);
  }

  /** Without its place, or without its values, a median is nothing: a service that may not have both gets none. */
  #outlets(): readonly Outlet[] {
    const whole = PURPOSE_USES.weather;
    return this.#port.to.outlets("weather").filter(({ categories }) => (categories & whole) === whole);
  }

  #forward(tellings: readonly CrowdTelling[], accounts: readonly (readonly SubjectAccount[])[]): number {
    // Asked again: a service that stopped listening, or may not listen any more, gets nothing.
    const outlets = this.#outlets();
    let count = 0;
    for (const [index, telling] of tellings.entries()) {
      const members = accounts[index] ?? [];
      let made: Buffer | undefined;
      const packet = (): Buffer => {
        made ??= this.#port.packet("weather", telling.record.cell, payloadOf(telling));
        return made;
      };
      let delivered = false;
      for (const outlet of outlets) {
        const { recipient } = outlet;
        if (!members.every((account) => this.#accounting.isOpen(account, recipient))) continue;
        if (!outlet.deliver(telling.record.cell, packet)) continue;
        for (const account of members) this.#accounting.count(account, recipient);
        delivered = true;
      }
      if (delivered) count += 1;
    }
    if (count > 0) this.#port.counted("weather", count);
    return count;
  }
}

/** Names the fields of the contract one by one: a field added to a record does not leave by itself. */
function payloadOf({ record: { cell, center, at, status, current } }: CrowdTelling): string {
  const { lat, lon } = center;
  return JSON.stringify({ cell, center: { lat, lon }, at, status, subjects: SUBJECTS, current });
}
