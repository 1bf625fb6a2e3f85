/**
 * Every private member of Aedes and mqtt-packet that the ingress leans on, in one place. Both packages
 * are pinned to exact versions, and `aedes-internals.test.ts` fails when one of these goes away.
 */
import type { Client } from "aedes";

export interface ParserInternals {
  readonly packet: { readonly length: number };
  _parseLength(): boolean;
  emit(event: "error", error: Error): boolean;
}

export interface ClientInternals {
  /** Reads no further packets until `resume`. */
  pause(): void;
  resume(): void;
  /** Packets of the chunk being parsed that are not settled yet. */
  _parsingBatch: number;
  readonly _parser: ParserInternals;
  /** True once `authenticate` has let the client in. */
  readonly _authorized: boolean;
  /** True after an orderly DISCONNECT, which discards the will. */
  readonly _disconnected: boolean;
  readonly connDetails: { readonly ipAddress?: string } | null;
  id: string;
}

export function internals(client: Client): ClientInternals {
  return client as unknown as ClientInternals;
}

export interface BrokerInternals {
  readonly clients: Readonly<Record<string, Client>>;
  /** Puts a client into `clients` and closes the one that was there. */
  registerClient(client: Client): void;
  /** Takes out of `clients` whoever is there under the client's id. */
  unregisterClient(client: Client): void;
}
