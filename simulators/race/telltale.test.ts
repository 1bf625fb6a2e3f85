/** What is left of a message still tells which one, or which phase, it was. */
import { describe, expect, it } from "vitest";
import { ipPrefix } from "../../src/deidentify/ip-address.ts";
import { Locations } from "../../src/deidentify/location.ts";
import { MAX_PHASES, numberInPrefix, phaseOfModel, Telltale } from "./telltale.ts";

interface Payload {
  readonly ip: string;
  readonly location: { readonly lat: number; readonly lon: number };
}

describe("Telltale", () => {
  it("hides the number of the message in the prefix that is left of an address", () => {
    const telltale = new Telltale();
    for (const n of [0, 1, 255, 65_535, 65_536, 70_000, 99_999, 131_072, 1_000_003]) {
      const { ip } = JSON.parse(telltale.telemetry(0, 0, n, 0)) as Payload;
      const prefix = ipPrefix(ip, { v4PrefixBits: 16, v6PrefixBits: 32 }) ?? "";
      expect([n, numberInPrefix(prefix)]).toEqual([n, n]);
    }
    expect(numberInPrefix("unknown")).toBeUndefined();
  });

  it("gives every phase of every device a cell of its own, the one the gateway finds", () => {
    const telltale = new Telltale();
    const options = { finestResolution: 6, defaultResolution: 6, densities: [], stickiness: 0.15 };
    const locations = new Locations({ ...options, maxDevices: 1 });
    const cells = new Set<string>();
    for (let stay = 0; stay < 3_000; stay += 1) {
      const { location } = JSON.parse(telltale.telemetry(stay % 1_000, Math.floor(stay / 1_000), stay, 0)) as Payload;
      const { cell } = locations.placeOf(location.lat, location.lon);
      cells.add(cell);
      expect(telltale.stayIn(cell)).toEqual({ device: stay % 1_000, phase: Math.floor(stay / 1_000) });
    }
    expect(cells.size).toBe(3_000);
  });

  it("knows the phase by the model, and no other model", () => {
    expect(phaseOfModel(`round-${MAX_PHASES - 1}`)).toBe(MAX_PHASES - 1);
    expect(phaseOfModel("other")).toBeUndefined();
  });
});
