/**
 * Bounds the size of an MQTT packet from its fixed header, before a byte of its body is kept.
 * Aedes and mqtt-packet have no such limit: a 256 MB packet would be collected in memory, before
 * authentication too. This wraps a private method of the parser, which is why aedes and
 * mqtt-packet are pinned to exact versions and a test feeds a real oversized header.
 */
import type { Client } from "aedes";
import { internals } from "./aedes-internals.ts";

export const OVERSIZE = "packet too large";

export interface PacketLimits {
  readonly maxPacketBytes: number;
  /** Smaller: nothing is known of the peer before CONNECT is done. */
  readonly maxConnectPacketBytes: number;
}

export function limitPackets(client: Client, limits: PacketLimits, oversize: () => void): void {
  const { _parser: parser } = internals(client);
  const parseLength = parser._parseLength;
  parser._parseLength = function limited(): boolean {
    const known = parseLength.call(parser);
    const limit = internals(client)._authorized ? limits.maxPacketBytes : limits.maxConnectPacketBytes;
    if (known && parser.packet.length > limit) {
      oversize();
      parser.emit("error", new Error(OVERSIZE));
      return false;
    }
    return known;
  };
}
