/** Which clients speak MQTT 5. Aedes takes all of them for clients of 3.1.1: what it writes differs in its CONNACK alone. */
import type { Client } from "aedes";
import type { IConnectPacket } from "mqtt-packet";
import { Peer5, type Served } from "./v5/peer.ts";

const peers = new WeakMap<Client, Peer5>();

/** `undefined` for a client of MQTT 3.1.1. */
export function peer5(client: Client): Peer5 | undefined {
  return peers.get(client);
}

/** CONNACK of 3.1.1: header, length, session present, return code. */
const CONNACK_BYTES = 4;

/** From its CONNECT on, which Aedes gets as one of 3.1.1; its CONNACK is written in place of that of Aedes. */
export function meetPeer5(client: Client, packet: IConnectPacket, served: () => Served): void {
  const peer = new Peer5(packet);
  peers.set(client, peer);
  const { conn } = client;
  let bytes = 0;
  // An own property, in front of the method of the stream, until the CONNACK is there.
  conn.write = (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes < CONNACK_BYTES) return true;
    Reflect.deleteProperty(conn, "write");
    return conn.write(peer.connack(served()));
  };
}
