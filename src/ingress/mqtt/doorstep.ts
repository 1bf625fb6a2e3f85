/**
 * Who is connected and has not logged in. When all places are taken, the oldest of them yields to a new one, of
 * an address that holds more than its share before any other: no one keeps devices away by holding connections.
 */
import type { Socket } from "node:net";
import { addressGroup } from "../../platform/address-group.ts";

export class Doorstep {
  /** Oldest first, both. */
  readonly #all = new Map<Socket, string>();
  readonly #groups = new Map<string, Set<Socket>>();

  add(socket: Socket): void {
    const group = addressGroup(socket.remoteAddress);
    const held = this.#groups.get(group) ?? new Set();
    this.#groups.set(group, held.add(socket));
    this.#all.set(socket, group);
  }

  /** It has logged in, or is gone. */
  remove(socket: Socket): void {
    const group = this.#all.get(socket);
    if (group === undefined) return;
    this.#all.delete(socket);
    const held = this.#groups.get(group);
    held?.delete(socket);
    if (held?.size === 0) this.#groups.delete(group);
  }

  /** Takes out the one that yields to a connection from this address; `undefined` when everyone has logged in. */
  giveWay(address: string | undefined): Socket | undefined {
    const own = this.#groups.get(addressGroup(address));
    const crowd = own !== undefined && own.size * this.#groups.size >= this.#all.size ? own : this.#all.keys();
    const [oldest] = crowd;
    if (oldest !== undefined) this.remove(oldest);
    return oldest;
  }
}
