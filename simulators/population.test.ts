/** The same seed makes the same fleet, and every fleet has everything a fleet can have wrong with it. */
import { latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import { propertyRow } from "../src/vocabulary/row.ts";
import { Vocabulary } from "../src/vocabulary/vocabulary.ts";
import { SEQ } from "../tools/stack/scratch-config.ts";
import { composeMessage } from "./messages.ts";
import { makePopulation, STANDINGS } from "./population.ts";

describe("makePopulation", () => {
  it("repeats itself for the same seed, and not for another", () => {
    const facts = (seed: number) =>
      makePopulation(seed, 80).devices.map((device) => [
        device.id,
        device.ip,
        composeMessage(device, 1, 1_000).payload,
      ]);
    expect(facts(5)).toEqual(facts(5));
    expect(facts(5)).not.toEqual(facts(6));
  });

  it("has every standing, fixed and moving devices, and nothing that two devices share by accident", () => {
    const { devices, households } = makePopulation(1, 200);
    expect(new Set(households.map(({ standing }) => standing))).toEqual(new Set(Object.keys(STANDINGS)));
    expect(new Set(devices.map(({ profile }) => profile.moving))).toEqual(new Set([true, false]));
    expect(new Set(devices.map(({ id }) => id)).size).toBe(200);
    expect(devices).toHaveLength(200);
  });

  it("has two cells of which the weather can be told, whatever number of homes the draw asks for", () => {
    for (const seed of [5, 7, 11]) {
      const homes = makePopulation(seed, 240).households.filter(
        ({ standing, devices }) => standing === "consenting" && devices.some(({ model }) => model.startsWith("WS-")),
      );
      const cells = new Map<string, number>();
      for (const { lat, lon } of homes) {
        const cell = latLngToCell(lat, lon, 6);
        cells.set(cell, (cells.get(cell) ?? 0) + 1);
      }
      expect([...cells.values()].filter((count) => count >= 6).length).toBeGreaterThanOrEqual(2);
    }
  });

  it("says in a status only what the vocabulary knows, besides what it is there to leave out", () => {
    const vocabulary = new Vocabulary([propertyRow.parse(SEQ)]);
    const ordinary = makePopulation(7, 120).devices.filter(
      ({ household }) => household.standing !== "malformed" && household.standing !== "strange-words",
    );
    const dropped: string[] = [];
    let taken = 0;
    for (const device of ordinary) {
      for (let seq = 0; seq < 20; seq += 1) {
        const { payload } = composeMessage(device, seq, 1_000);
        const { status } = JSON.parse(payload) as { status?: Record<string, unknown> };
        if (status === undefined) continue;
        for (const business of ["note", "wifi", "gps"]) delete status[business];
        vocabulary.take(status, (why) => dropped.push(`${why} ${JSON.stringify(status)}`));
        taken += 1;
      }
    }
    expect(dropped).toEqual([]);
    expect(taken).toBeGreaterThan(100);
  });

  it("has the same native devices whatever is spoken beside them", () => {
    const ids = ({ devices }: { devices: readonly { id: string }[] }) => devices.map(({ id }) => id);
    const dialects = makePopulation(5, 80, {
      dialects: ["zigbee2mqtt", "tasmota"],
      standings: ["consenting", "minor"],
    });
    expect(ids(dialects)).toEqual(ids(makePopulation(5, 80)));
    expect(dialects.dialectHomes.map(({ dialect, children }) => [dialect, children.length])).toEqual([
      ["zigbee2mqtt", 6],
      ["zigbee2mqtt", 6],
      ["tasmota", 0],
      ["tasmota", 0],
    ]);
    for (const { household } of dialects.dialectHomes) expect(dialects.households).toContain(household);
  });

  it("sends coordinates whose digits survive JSON, all nine of them, and never twice", () => {
    const { devices } = makePopulation(3, 60);
    const seen = new Set<string>();
    let messages = 0;
    for (let round = 0; round < 20; round += 1) {
      for (const device of devices) {
        const { raw, payload } = composeMessage(device, 1, 1_000);
        if (raw.lat === undefined) continue;
        messages += 1;
        seen.add(`${raw.lat} ${raw.lon}`);
        expect(payload).toContain(`"lat":${raw.lat}`);
        expect(String(raw.lat)).toMatch(/\.\d{9}$/);
        expect(String(raw.lon)).toMatch(/\.\d{9}$/);
      }
    }
    expect(seen.size).toBe(messages);
  });
});
