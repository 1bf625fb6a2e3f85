/**
 * Whose address it is, as far as bounds and limits go: an IPv4 address counts as itself, also where IPv6 carries
 * it, and of an IPv6 address the /64 that one household or machine has whole. For memory only.
 */
import ipaddr from "ipaddr.js";

const V6_GROUP_BYTES = 8;

/** All that is no address is one group. */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return "";
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return address;
  if (!ipaddr.IPv6.isValid(address)) return "";
  const v6 = ipaddr.IPv6.parse(address);
  if (v6.isIPv4MappedAddress()) return v6.toIPv4Address().toString();
  const prefix = v6.toByteArray().map((byte, index) => (index < V6_GROUP_BYTES ? byte : 0));
  return `${ipaddr.fromByteArray(prefix).toString()}/64`;
}
