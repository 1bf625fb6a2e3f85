/**
 * Who holds a connection, and who gives way: a connection on which nothing is being worked on is closed for the
 * sake of a new one, per address and in all. So nobody can keep others away by holding connections, whether they
 * are silent, send slowly or do not take their answers.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { addressGroup } from "../platform/address-group.ts";

export interface ConnectionBounds {
  readonly maxConnections: number;
  /** An IPv4 address, or an IPv6 /64. */
  readonly maxPerAddress: number;
  /** Requests of one connection that are not answered yet; who sends more of them ahead is cut off. */
  readonly maxUnanswered: number;
  /** An answer must have been taken by then. */
  readonly takeWithinMs: number;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Connection {
  readonly socket: Socket;
  readonly group: string;
  readonly exchanges: Set<Exchange>;
  /** Since when only answers that are not taken keep it busy, Unix ms. */
  untakenSince: number | undefined;
}

const LOOK_EVERY_MS = 1_000;

export class Connections {
  readonly #bounds: ConnectionBounds;
  /** Oldest first, by when something last began or ended on it. */
  readonly #all = new Map<Socket, Connection>();
  readonly #perGroup = new Map<string, number>();
  #looking: NodeJS.Timeout | undefined;
  #crowded = false;

  constructor(bounds: ConnectionBounds) {
    this.#bounds = bounds;
  }

  opened(socket: Socket): void {
    // Above the bound for one turn of the event loop, so that what came with a connection is read before anybody goes.
    if (this.#all.size >= 2 * this.#bounds.maxConnections) {
      socket.destroy();
      return;
    }
    const group = addressGroup(socket.remoteAddress);
    this.#all.set(socket, { socket, group, exchanges: new Set(), untakenSince: undefined });
    this.#perGroup.set(group, (this.#perGroup.get(group) ?? 0) + 1);
    socket.once("close", () => this.#closed(socket, group));
    if (this.#all.size > this.#bounds.maxConnections || this.#held(group) > this.#bounds.maxPerAddress)
      this.#makeRoom();
    this.#looking ??= setInterval(() => this.#endUntaken(Date.now()), LOOK_EVERY_MS).unref();
  }

  /** `false`: the connection has sent too much ahead and is closed; the request is not to be looked at. */
  begun(request: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#all.get(request.socket);
    if (connection === undefined) return !request.socket.destroyed;
    if (connection.exchanges.size >= this.#bounds.maxUnanswered) {
      this.#end(connection);
      return false;
    }
    const exchange = { request, response };
    connection.exchanges.add(exchange);
    this.#touched(connection);
    // Comes after `finish` too, and when the connection goes before.
    response.once("close", () => {
      connection.exchanges.delete(exchange);
      this.#touched(connection);
    });
    return true;
  }

  #held(group: string): number {
    return this.#perGroup.get(group) ?? 0;
  }

  #touched(connection: Connection): void {
    if (!this.#all.delete(connection.socket)) return;
    this.#all.set(connection.socket, connection);
  }

  #closed(socket: Socket, group: string): void {
    if (!this.#all.delete(socket)) return;
    const left = this.#held(group) - 1;
    if (left > 0) this.#perGroup.set(group, left);
    else this.#perGroup.delete(group);
    if (this.#all.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  /** After the next look at the sockets: a request that came along with a connection speaks for it. */
  #makeRoom(): void {
    if (this.#crowded) return;
    this.#crowded = true;
    setImmediate(() =>
      setImmediate(() => {
        this.#crowded = false;
        for (const [group, held] of [...this.#perGroup]) {
          this.#close(held - this.#bounds.maxPerAddress, (one) => one.group === group);
        }
        this.#close(this.#all.size - this.#bounds.maxConnections, () => true);
      }),
    );
  }

  /** The oldest of those that nobody works on, so that a new one has time to speak; if there is none, the newest. */
  #close(count: number, which: (connection: Connection) => boolean): void {
    if (count <= 0) return;
    const candidates = [...this.#all.values()].filter(which);
    const yielding = candidates.filter((one) => !isWorkedOn(one));
    for (const one of [...yielding, ...candidates.filter(isWorkedOn).reverse()].slice(0, count)) this.#end(one);
  }

  #end({ socket, group }: Connection): void {
    this.#closed(socket, group);
    socket.destroy();
  }

  #endUntaken(now: number): void {
    for (const connection of this.#all.values()) {
      if (!isUntaken(connection)) connection.untakenSince = undefined;
      else if (connection.untakenSince === undefined) connection.untakenSince = now;
      else if (now - connection.untakenSince > this.#bounds.takeWithinMs) this.#end(connection);
    }
  }
}

/** A request has arrived as a whole, and its answer is still being made. */
function isWorkedOn({ exchanges }: Connection): boolean {
  for (const { request, response } of exchanges) if (request.complete && !response.writableEnded) return true;
  return false;
}

/** All is answered, and the peer does not take it. */
function isUntaken({ exchanges }: Connection): boolean {
  for (const { response } of exchanges) if (!response.writableEnded) return false;
  return exchanges.size > 0;
}
