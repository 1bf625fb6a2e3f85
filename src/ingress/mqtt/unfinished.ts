/**
 * The parts of packets that wait for the rest of them, over all connections: a peer can leave a packet unfinished for
 * as long as its keepalive allows. Over the bound the one who holds most of them loses its connection.
 */
import type { Client } from "aedes";
import { endFaulty } from "./ends.ts";

export class Unfinished {
  readonly #maxBytes: number;
  readonly #held = new Map<Client, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  keeps(client: Client, bytes: number): void {
    if (bytes === 0 && this.#held.size === 0) return;
    this.#bytes += bytes - (this.#held.get(client) ?? 0);
    if (bytes === 0) this.#held.delete(client);
    else this.#held.set(client, bytes);
    while (this.#bytes > this.#maxBytes) this.#endLargest();
  }

  gone(client: Client): void {
    this.keeps(client, 0);
  }

  #endLargest(): void {
    let largest: Client | undefined;
    for (const [client, bytes] of this.#held) {
      if (largest === undefined || bytes > (this.#held.get(largest) ?? 0)) largest = client;
    }
    if (largest === undefined) return;
    this.gone(largest);
    endFaulty(largest, "unfinished");
  }
}
