import { describe, expect, it } from "vitest";
import type { ServicePurpose } from "../model/consent.ts";
import type { Deidentified } from "../model/deidentified.ts";
import type { CellId, Pseudonym } from "../model/ids.ts";
import { PurposeTopics } from "./purpose-topics.ts";

const message: Deidentified = {
  weather: {
    cell: "8560145bfffffff" as CellId,
    center: { lat: 12.9, lon: 77.6 },
    at: 60_000,
    status: { temperature: 21.5 },
  },
  scene: { device: "scene-pseudonym" as Pseudonym, model: "hub", status: { power: "on" }, at: 1000 },
  network: { device: "network-pseudonym" as Pseudonym, ipPrefix: "203.0.0.0/16", at: 10_000 },
};

/** A port where `services` services listen to each of the purposes. */
function outlet(purposes: ServicePurpose[], services = 1) {
  const published: [purpose: ServicePurpose, name: string, payload: string][] = [];
  const counts: [ServicePurpose, number][] = [];
  const port = {
    publish: (purpose: ServicePurpose, name: string, payload: string) => {
      published.push([purpose, name, payload]);
      return services;
    },
    listening: (purpose: ServicePurpose) => purposes.includes(purpose),
  };
  const topics = new PurposeTopics(port, (purpose, count) => void counts.push([purpose, count]));
  return { topics, published, counts };
}

describe("PurposeTopics", () => {
  it("publishes what the contract says, field by field", () => {
    const { topics, published } = outlet(["weather", "scene", "network"]);
    expect(topics.forward([message])).toEqual([true]);
    expect(published).toEqual([
      [
        "weather",
        "8560145bfffffff",
        '{"cell":"8560145bfffffff","center":{"lat":12.9,"lon":77.6},"at":60000,"status":{"temperature":21.5}}',
      ],
      ["scene", "scene-pseudonym", '{"device":"scene-pseudonym","model":"hub","status":{"power":"on"},"at":1000}'],
      ["network", "network-pseudonym", '{"device":"network-pseudonym","ipPrefix":"203.0.0.0/16","at":10000}'],
    ]);
  });

  it("lets no other field out, even when a record holds one", () => {
    const { topics, published } = outlet(["weather", "scene", "network"]);
    const leak = { canary: "canary" };
    const { weather, scene, network } = message as Required<Deidentified>;
    topics.forward([
      { weather: { ...weather, ...leak }, scene: { ...scene, ...leak }, network: { ...network, ...leak } },
    ]);
    expect(published).toHaveLength(3);
    expect(JSON.stringify(published)).not.toContain("canary");
  });

  it("builds nothing for a purpose nobody listens to", () => {
    const { topics, published, counts } = outlet(["scene"]);
    const untouchable: Deidentified = {
      get weather(): never {
        throw new Error("built for nobody");
      },
    };
    expect(topics.forward([untouchable, message, {}])).toEqual([false, true, false]);
    expect(published.map(([purpose, name]) => `${purpose}/${name}`)).toEqual(["scene/scene-pseudonym"]);
    expect(counts).toEqual([["scene", 1]]);
  });

  it("accounts for every disclosure, by purpose", () => {
    const { topics, counts } = outlet(["weather", "scene"]);
    topics.forward([message, message, {}, { weather: message.weather as Required<Deidentified>["weather"] }]);
    expect(counts).toEqual([
      ["weather", 3],
      ["scene", 2],
    ]);
  });

  it("counts nothing as delivered that no service got", () => {
    const { topics, published, counts } = outlet(["scene"], 0);
    expect(topics.forward([message])).toEqual([false]);
    expect(published).toHaveLength(1);
    expect(counts).toEqual([]);
  });
});
