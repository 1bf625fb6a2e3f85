/**
 * A shared subscription (MQTT 5, 4.8.2): of its members one gets each message. Which one is decided by the name in the topic, so
 * that all messages of one name go to one member in their order; when a member comes or goes, only its own names move.
 */
import type { ServiceConnection } from "./connection.ts";
import type { Outbox } from "./outbox.ts";

interface Member {
  readonly session: ServiceConnection;
  readonly outbox: Outbox;
  /** Of its client id: one that comes back gets the names that it had. */
  readonly seed: number;
}

export class Share {
  /** The last level; absent: any. */
  readonly name: string | undefined;
  readonly #members = new Map<ServiceConnection, Member>();

  constructor(name: string | undefined) {
    this.name = name;
  }

  get idle(): boolean {
    return this.#members.size === 0;
  }

  join(session: ServiceConnection, outbox: Outbox): void {
    this.#members.set(session, { session, outbox, seed: hashOf(session.id) });
  }

  leave(session: ServiceConnection): void {
    this.#members.delete(session);
  }

  hears(name: string): boolean {
    return this.#members.size > 0 && (this.name === undefined || this.name === name);
  }

  /**
   * The outbox of the member that took it; `undefined` when none did. One that does not read, or takes nothing of that size, is
   * passed over for the next in the order of this name.
   */
  deliver(name: string, packet: () => Buffer): Outbox | undefined {
    const hash = hashOf(name);
    let passed: Set<Member> | undefined;
    for (;;) {
      const best = this.#best(hash, passed);
      if (best === undefined) return undefined;
      const bytes = best.session.form(packet());
      if (bytes !== undefined && best.outbox.add(bytes)) return best.outbox;
      passed = (passed ?? new Set<Member>()).add(best);
    }
  }

  /** Rendezvous hashing: the member with the highest weight for this name. */
  #best(hash: number, passed: ReadonlySet<Member> | undefined): Member | undefined {
    let best: Member | undefined;
    let highest = -1;
    for (const member of this.#members.values()) {
      if (passed?.has(member) === true) continue;
      const weight = mixed(hash ^ member.seed);
      if (weight > highest) {
        highest = weight;
        best = member;
      }
    }
    return best;
  }
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mixed(hash);
}

/** The finalizer of MurmurHash3: close inputs get weights that have nothing to do with each other. */
function mixed(value: number): number {
  let mix = value;
  mix = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}
