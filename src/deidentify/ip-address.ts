/**
 * An IP address becomes the prefix of a large provider block, enough to tell networks apart and far
 * too little to tell households apart. The address itself goes no further than this function.
 */
import ipaddr from "ipaddr.js";

export interface IpOptions {
  /** Bits kept of an IPv4 address; at most 16. */
  readonly v4PrefixBits: number;
  /** Bits kept of an IPv6 address; at most 32. */
  readonly v6PrefixBits: number;
}

const FINEST_V4_PREFIX_BITS = 16;
const FINEST_V6_PREFIX_BITS = 32;

/**
 * The CIDR prefix of an address, `203.0.0.0/16` or `2001:db8::/32`; `undefined` when it is no address.
 * IPv4 inside IPv6 (`::ffff:a.b.c.d`) is treated as the IPv4 address it is. Private ranges are no exception.
 */
export function ipPrefix(address: string, options: IpOptions): string | undefined {
  const parsed = parse(address);
  if (parsed === undefined) return undefined;
  const isV4 = parsed.length === 4;
  const bits = isV4
    ? Math.min(options.v4PrefixBits, FINEST_V4_PREFIX_BITS)
    : Math.min(options.v6PrefixBits, FINEST_V6_PREFIX_BITS);
  return `${ipaddr.fromByteArray(keepBits(parsed, bits)).toString()}/${bits}`;
}

function parse(address: string): number[] | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address).toByteArray();
  if (!ipaddr.IPv6.isValid(address)) return undefined;
  const v6 = ipaddr.IPv6.parse(address);
  return v6.isIPv4MappedAddress() ? v6.toIPv4Address().toByteArray() : v6.toByteArray();
}

function keepBits(bytes: readonly number[], bits: number): number[] {
  return bytes.map((byte, index) => byte & (0xff00 >> Math.max(0, Math.min(8, bits - index * 8))) & 0xff);
}
