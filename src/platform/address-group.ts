/**
 * The group of an address for limits: an IPv4 address counts as itself, also in its IPv4-mapped IPv6 form (RFC 4291,
 * section 2.5.5.2); an IPv6 address counts by its /64, which one household or machine usually has as a whole. In memory
 * only.
 */
import ipaddr from "ipaddr.js";

const V6_GROUP_BYTES = 8;

/** Everything that is no address is one group. */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return "";
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return address;
  if (!ipaddr.IPv6.isValid(address)) return "";
  const v6 = ipaddr.IPv6.parse(address);
  if (v6.isIPv4MappedAddress()) return v6.toIPv4Address().toString();
  const prefix = v6.toByteArray().map((byte, index) => (index < V6_GROUP_BYTES ? byte : 0));
  return `${ipaddr.fromByteArray(prefix).toString()}/64`;
}
