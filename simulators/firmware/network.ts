/** The network of a home as every device of it knows it: name, access point, hardware addresses, places of devices in it. */
import type { Canary } from "../canary-forms.ts";
import type { Random } from "../random.ts";

export interface HomeNetwork {
  readonly ssid: string;
  readonly bssid: string;
}

export function makeNetwork(random: Random): HomeNetwork {
  return { ssid: `family-net-${random.hex(8)}`, bssid: colons(`f4f26d${random.hex(6)}`) };
}

/** Twelve digits in lower case. */
export function hardwareAddress(random: Random, maker: string): string {
  return maker + random.hex(12 - maker.length);
}

export function colons(address: string): string {
  return (address.match(/../g) ?? []).join(":");
}

/** Of a router of the usual make. */
export function localAddress(random: Random): string {
  return `192.168.${100 + random.int(150)}.${100 + random.int(150)}`;
}

export function networkCanaries({ ssid, bssid }: HomeNetwork): Canary[] {
  return [{ kind: "network", value: ssid }, ...addressCanaries(bssid.replaceAll(":", ""))];
}

/** In each of the ways in which firmware writes it. */
export function addressCanaries(address: string): Canary[] {
  const written = [address, colons(address)];
  return [...written, ...written.map((text) => text.toUpperCase())].map((value) => ({ kind: "network", value }));
}
