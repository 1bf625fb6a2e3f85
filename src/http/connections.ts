/**
 * Limits on connections, in all and for each address. At the limit, the oldest connection on which no work is done is closed
 * for a new one. So a client that holds connections (silent, sending slowly or not reading its answers) does not keep others
 * out.
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
  /** Bytes the peer has taken, when last looked at; and since when it takes none of what waits for it, Unix ms. */
  taken: number;
  deafSince: number | undefined;
}

const LOOK_EVERY_MS = 1_000;
/** A peer that takes nothing for so long is not waited for: nothing on its connection counts as work any more. */
const DEAF_AFTER_MS = 2_000;
/** Answers that wait to be taken; with more, another request is one too many. */
const MAX_WAITING_BYTES = 1_048_576;

/** Requests that came with a right token or session. */
const known = new WeakSet<IncomingMessage>();

/** Only work for such a request protects a connection from being closed; everything else is short and open to anyone. */
export function letIn(request: IncomingMessage): void {
  known.add(request);
}

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
    // Above the limit for one turn of the event loop, so that a request that came with the connection is read before one is closed.
    if (this.#all.size >= 2 * this.#bounds.maxConnections) {
      socket.destroy();
      return;
    }
    const group = addressGroup(socket.remoteAddress);
    this.#all.set(socket, { socket, group, exchanges: new Set(), taken: 0, deafSince: undefined });
    this.#perGroup.set(group, (this.#perGroup.get(group) ?? 0) + 1);
    socket.once("close", () => this.#closed(socket, group));
    if (this.#all.size > this.#bounds.maxConnections || this.#held(group) > this.#bounds.maxPerAddress)
      this.#makeRoom();
    this.#looking ??= setInterval(() => this.#look(Date.now()), LOOK_EVERY_MS).unref();
  }

  /** `false`: the connection has sent too much ahead and is closed; the request is not to be looked at. */
  begun(request: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#all.get(request.socket);
    if (connection === undefined) return !request.socket.destroyed;
    if (connection.exchanges.size >= this.#bounds.maxUnanswered || waitingBytes(connection) > MAX_WAITING_BYTES) {
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

  /** After the next read of the sockets: a request that came with a connection may protect it. */
  #makeRoom(): void {
    if (this.#crowded) return;
    this.#crowded = true;
    setImmediate(() =>
      setImmediate(() => {
        this.#crowded = false;
        const { maxPerAddress, maxConnections } = this.#bounds;
        const idle = [...this.#all.values()].filter((one) => !isWorkedOn(one));
        for (const [group, held] of [...this.#perGroup]) {
          if (held > maxPerAddress)
            this.#close(
              idle.filter((one) => one.group === group),
              held - maxPerAddress,
            );
        }
        this.#close(idle, this.#all.size - maxConnections);
        // All connections are at work: the newest are closed.
        this.#close([...this.#all.values()].reverse(), this.#all.size - maxConnections);
      }),
    );
  }

  #close(connections: readonly Connection[], count: number): void {
    let left = count;
    for (const one of connections) {
      if (left <= 0) return;
      if (!this.#all.has(one.socket)) continue;
      this.#end(one);
      left -= 1;
    }
  }

  #end({ socket, group }: Connection): void {
    this.#closed(socket, group);
    socket.destroy();
  }

  #look(now: number): void {
    for (const connection of this.#all.values()) {
      const { socket } = connection;
      const taken = socket.bytesWritten - socket.writableLength;
      if (!waitsForPeer(connection) || taken !== connection.taken) connection.deafSince = undefined;
      else connection.deafSince ??= now;
      connection.taken = taken;
      if (now - (connection.deafSince ?? now) > this.#bounds.takeWithinMs) this.#end(connection);
    }
  }
}

/** A request with a right token or session has arrived completely, and its answer is still being made for a peer that reads. */
function isWorkedOn({ exchanges, deafSince }: Connection): boolean {
  if (deafSince !== undefined && Date.now() - deafSince > DEAF_AFTER_MS) return false;
  for (const { request, response } of exchanges)
    if (known.has(request) && request.complete && !response.writableEnded) return true;
  return false;
}

/** Nothing continues before the peer reads what has been written. */
function waitsForPeer({ exchanges }: Connection): boolean {
  for (const { response } of exchanges) if (!response.writableEnded && !response.writableNeedDrain) return false;
  return exchanges.size > 0;
}

function waitingBytes({ exchanges }: Connection): number {
  let bytes = 0;
  for (const { response } of exchanges) bytes += response.writableLength;
  return bytes;
}
