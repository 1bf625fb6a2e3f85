/** Simulated firmware says what real firmware says, and knows what of it the tables of the dialects take. */
import { describe, expect, it } from "vitest";
import { readPublication } from "../../src/dialects/read.ts";
import { covers } from "../../src/dialects/topic.ts";
import { dialectNamed } from "../../tests/fixtures/dialects.ts";
import type { DialectHome, Firmware, Publication } from "./firmware.ts";
import { firmwareOf, SIMULATED_DIALECTS, type SimulatedDialect } from "./firmwares.ts";
import { makeDialectHomes } from "./homes.ts";

const ROUNDS = 400;

interface Said {
  readonly home: DialectHome;
  readonly firmware: Firmware;
  readonly publications: readonly Publication[];
}

function saidIn(dialect: SimulatedDialect, seed = 3): Said {
  const [home] = makeDialectHomes(seed, [dialect], ["consenting"]);
  if (home === undefined) throw new Error("no home");
  const firmware = firmwareOf(dialect).make(home);
  const later = Array.from({ length: ROUNDS }, () => firmware.next());
  return { home, firmware, publications: [firmware.will, ...firmware.start(), ...later] };
}

/** Of a publication that is longer than any message the tables are not asked. */
const MOST_BYTES = 8_192;

describe.each(SIMULATED_DIALECTS)("firmware of %s", (dialect) => {
  const said = saidIn(dialect);
  const { home, firmware, publications } = said;

  it("knows what becomes of everything it says", () => {
    const table = dialectNamed(dialect);
    const aliases = new Map(home.children.map(({ id, alias }) => [alias, id]));
    const sender = {
      isSelf: (word: string) => word === home.device.alias,
      hasChild: (alias: string) => aliases.has(alias),
    };
    for (const { topic, payload, fate } of publications) {
      if (payload.length > MOST_BYTES) {
        expect(fate).toMatchObject({ kind: "left-out", reasons: ["not-taken"] });
        continue;
      }
      const result = readPublication(table, sender, topic, payload);
      if (fate.kind === "left-out") {
        expect(fate.reasons, topic).toContain("refused" in result && result.refused);
        continue;
      }
      if ("refused" in result) throw new Error(`${topic} was refused: ${result.refused}`);
      expect(result).toHaveLength(1);
      const [{ child, telemetry } = { child: undefined, telemetry: {} }] = result;
      expect(child === undefined ? home.device.id : aliases.get(child), topic).toBe(fate.device.id);
      expect(
        Object.keys(telemetry)
          .filter((name) => name !== "ts")
          .sort(),
      ).toEqual([...fate.parts].sort());
      // What is kept of a total depends on the one before.
      const { energy: _, model: __, ...kept } = fate.kept ?? {};
      const { energy: ___, outages: ____, ...status } = telemetry.status ?? {};
      expect(Object.keys(status).sort(), topic).toEqual(Object.keys(kept).sort());
      for (const [name, value] of Object.entries(kept))
        if (typeof value !== "number") expect(status[name], name).toBe(value);
    }
  });

  it("says everything of its kinds, and tells names, networks and codes as it goes", () => {
    const kinds = new Set(publications.map(({ fate }) => fate.kind));
    expect(kinds).toEqual(new Set(["taken", "left-out"]));
    const everything = publications.map(({ topic, payload }) => `${topic} ${payload}`).join("\n");
    const sought = firmware.canaries.filter(({ value }) => value !== firmware.clientId);
    for (const kind of new Set(sought.map((canary) => canary.kind)))
      expect(
        sought.some((canary) => canary.kind === kind && everything.includes(canary.value)),
        kind,
      ).toBe(true);
    for (const { kind, value } of sought) if (kind === "alias" || kind === "code") expect(everything).toContain(value);
  });

  it("asks for nothing that its dialect does not grant", () => {
    const granted = dialectNamed(dialect).subscriptions;
    for (const filter of firmware.subscriptions)
      expect(
        granted.some((one) => covers(one, filter, (word) => word === home.device.alias)),
        filter,
      ).toBe(true);
  });

  it("repeats itself for the same seed, and not for another", () => {
    // Clocks alone differ.
    const topics = (seed: number) => saidIn(dialect, seed).publications.map(({ topic, fate }) => [topic, fate]);
    expect(topics(5)).toEqual(topics(5));
    expect(topics(5)).not.toEqual(topics(6));
  });
});

it("someone comes and goes in the hall, and the lamp goes on only when it is told to", () => {
  const [home] = makeDialectHomes(3, ["zigbee2mqtt"], ["consenting"]);
  if (home === undefined) throw new Error("no home");
  const hub = firmwareOf("zigbee2mqtt").make(home);
  const lamp = home.children.find(({ alias }) => alias.includes("lamp"))?.alias;
  const plug = home.children.find(({ alias }) => alias.includes("plug"))?.alias;
  const states = (publications: readonly Publication[]) => publications.map(({ payload }) => JSON.parse(payload).state);
  const ofLamp = (publications: readonly Publication[]) =>
    states(publications.filter(({ topic }) => topic === `zigbee2mqtt/${lamp}`));
  let visits = 0;
  const said: Publication[] = [];
  for (let turn = 0; turn < 60; turn += 1) {
    const publication = hub.next();
    said.push(publication);
    if (publication.needsAnswer !== true) continue;
    visits += 1;
    expect(publication.topic).toContain("hall motion");
    expect(JSON.parse(publication.payload)).toMatchObject({ occupancy: true });
    expect(hub.told?.(`zigbee2mqtt/${plug}/set`, '{"state":"ON"}')).toEqual([]);
    expect(hub.told?.(`zigbee2mqtt/${lamp}/set`, '{"effect":"blink"}')).toEqual([]);
    // The first visitor stays in the dark.
    if (visits === 1) expect(ofLamp(said)).not.toContain("ON");
    else expect(states(hub.told?.(`zigbee2mqtt/${lamp}/set`, '{"state":"ON"}') ?? [])).toEqual(["ON"]);
  }
  expect(visits).toBe(5);
  expect(ofLamp(said)).toContain("OFF");
});

it("a hub says in one publication what everything in its reach is called, and more than any message may hold", () => {
  const { firmware, publications } = saidIn("zigbee2mqtt");
  const list = publications.find(({ topic }) => topic === "zigbee2mqtt/bridge/devices");
  expect(firmware.clientId).toMatch(/^mqttjs_[0-9a-f]{8}$/);
  expect(list?.retain).toBe(true);
  expect(list?.payload.length).toBeGreaterThan(300_000);
});
