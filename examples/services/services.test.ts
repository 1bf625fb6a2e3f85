import { describe, expect, it } from "vitest";
import { Backoff } from "./backoff.ts";
import { BoundedMap } from "./bounded-map.ts";
import { Forgetting } from "./forgetting.ts";
import { NetworkService } from "./network.ts";
import { readRules } from "./rules.ts";
import { SceneService } from "./scene.ts";
import type { Send } from "./service.ts";
import { settingsOf, WrongUsage } from "./settings.ts";
import { sunAt } from "./sun.ts";
import { WeatherService } from "./weather.ts";

const DAY_MS = 86_400_000;
const EPOCH_MS = 7 * DAY_MS;
const LAMP = "lamp".padEnd(22, "_");
const PREFIX = "203.0.0.0/16";
const NOW = Math.floor(Date.UTC(2026, 10, 30) / EPOCH_MS) * EPOCH_MS + DAY_MS;

const bytes = (value: unknown): Buffer => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

/** What was sent, and whether the gateway takes it. */
class Gateway {
  readonly got: { topic: string; payload: Record<string, unknown> }[] = [];
  takes = true;
  readonly send: Send = async (topic, payload) => {
    this.got.push({ topic, payload: payload as Record<string, unknown> });
    return this.takes;
  };
}

/** What was begun has ended. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("the scene service", () => {
  const rules = readRules(
    JSON.stringify({
      rules: [
        { name: "off", when: { "===": [{ var: "said.power_on" }, true] }, do: { command: "power", value: "off" } },
      ],
    }),
  );
  const started = (clock: { now: number }) =>
    new SceneService({ rules, place: undefined, epochDays: 7, now: () => clock.now });
  const says = (service: SceneService, { send }: Gateway, more: object = {}) =>
    service.heard(`processed/scene/${LAMP}`, bytes({ device: LAMP, status: { power_on: true }, at: 1, ...more }), send);

  it("commands by the name it heard, with a correlation of its own and what led to it", async () => {
    const gateway = new Gateway();
    const service = started({ now: NOW });
    expect(says(service, gateway, { cause: 2 })).toBe(true);
    await settled();
    expect(gateway.got).toEqual([
      {
        topic: `commands/${LAMP}/power`,
        payload: { value: "off", correlation: expect.stringMatching(/^[\w-]{12}$/), cause: 2 },
      },
    ]);
    expect(service.counts()).toMatchObject({ commands: 1, notSent: 0, devices: 1 });
  });

  it("counts what became of its own commands, once each, and of no one else's", async () => {
    const gateway = new Gateway();
    const service = started({ now: NOW });
    says(service, gateway);
    const correlation = gateway.got[0]?.payload.correlation;
    const outcome = (payload: unknown) => service.heard(`commands/${LAMP}/power/outcome`, bytes(payload), gateway.send);
    expect(outcome({ outcome: "delivered", correlation })).toBe(true);
    expect(outcome({ outcome: "delivered", correlation })).toBe(true);
    expect(outcome({ outcome: "delivered", correlation: "another" })).toBe(true);
    expect(outcome({ outcome: "expired" })).toBe(true);
    expect(outcome("no JSON")).toBe(false);
    expect(outcome({ outcome: "No Such <Word>" })).toBe(false);
    expect(service.counts().outcomes).toEqual({ delivered: 1 });
  });

  it("counts a command that could not be sent as that, and does not keep it", async () => {
    const gateway = new Gateway();
    gateway.takes = false;
    const service = started({ now: NOW });
    says(service, gateway);
    await settled();
    expect([gateway.got.length, service.counts()]).toMatchObject([1, { commands: 0, notSent: 1 }]);
  });

  it("knows nothing of before when the epoch of the names ends, also when nothing is said", () => {
    const clock = { now: NOW };
    const gateway = new Gateway();
    const service = started(clock);
    says(service, gateway);
    says(service, gateway);
    expect(gateway.got).toHaveLength(1);
    service.tick(NOW + 6 * DAY_MS);
    expect(service.counts()).toMatchObject({ devices: 0, epochsEnded: 1, cooling: 1 });
    clock.now = NOW + 6 * DAY_MS;
    says(service, gateway);
    expect(gateway.got).toHaveLength(2);
  });

  it("reads nothing that is not what its topic says", () => {
    const gateway = new Gateway();
    const service = started({ now: NOW });
    const other = "other".padEnd(22, "_");
    for (const payload of [{ device: other, status: { power_on: true }, at: 1 }, { device: LAMP }, "[]", "", "{"])
      expect(service.heard(`processed/scene/${LAMP}`, bytes(payload), gateway.send)).toBe(false);
    expect(gateway.got).toEqual([]);
  });

  it("is not started with a rule about the sun and no place", () => {
    const dark = readRules(
      JSON.stringify({
        rules: [{ name: "dark", when: { "!": [{ var: "sun.up" }] }, do: { command: "power", value: "on" } }],
      }),
    );
    expect(() => new SceneService({ rules: dark, place: undefined, epochDays: 7 })).toThrow(/--lat/);
  });
});

describe("the network service", () => {
  const options = { silentAfterMs: 10_000, fewestOfPrefix: 3, shareOfPrefix: 0.6, checkEveryMs: 1_000, epochDays: 7 };

  it("publishes notices of what is silent, small and without anything but type, time and prefix", async () => {
    const clock = { now: NOW };
    const gateway = new Gateway();
    const service = new NetworkService({ ...options, now: () => clock.now });
    const name = (index: number) => `${index}`.padEnd(22, "_");
    const say = (index: number) =>
      service.heard(`processed/network/${name(index)}`, bytes({ device: name(index), ipPrefix: PREFIX, at: 1 }));
    for (const index of [1, 2, 3]) say(index);
    clock.now += 10_000;
    say(3);
    service.tick(clock.now, { send: gateway.send, since: undefined });
    expect(gateway.got).toEqual([]);
    service.tick(clock.now, { send: gateway.send, since: NOW - 60_000 });
    await settled();
    const of = (index: number, type: string, since: number) => ({
      topic: `network/${name(index)}`,
      payload: { type, since, prefix: PREFIX },
    });
    expect(gateway.got).toEqual([of(1, "unreachable", NOW), of(2, "unreachable", NOW), of(3, "outage", NOW)]);
    expect(service.counts()).toMatchObject({ names: 3, unreachable: 2, outage: 1, linesOut: 1, notSent: 0 });
    service.forget([name(1)]);
    expect(service.counts().names).toBe(2);
    service.tick(clock.now + EPOCH_MS, { send: gateway.send, since: NOW });
    expect(service.counts()).toMatchObject({ names: 0, epochsEnded: 1 });
  });
});

describe("the weather service", () => {
  it("answers a step of a cell once, and no text that is no cell", () => {
    const gateway = new Gateway();
    const service = new WeatherService({ hours: 3 });
    const hear = (cell: string, at = NOW) =>
      service.heard(`processed/weather/${cell}`, bytes({ cell, at, status: { temperature: 3 } }), gateway.send);
    const cell = "8660145b7ffffff";
    expect([hear(cell), hear(cell), hear(cell, NOW - 1), hear(cell, NOW + 1)]).toEqual([true, true, true, true]);
    expect(gateway.got.map(({ topic }) => topic)).toEqual([`weather/${cell}`, `weather/${cell}`]);
    expect([hear("8ffffffffffffff"), hear("+"), hear("")]).toEqual([false, false, false]);
  });

  it("forecasts all coarse cells once an hour where it is asked to, and those again that were not taken", async () => {
    const gateway = new Gateway();
    const tick = async (service: WeatherService, now: number, since?: number) => {
      service.tick(now, { send: gateway.send, since });
      await settled();
    };
    const told = new WeatherService({ hours: 3 });
    await tick(told, NOW, NOW);
    const service = new WeatherService({ hours: 3, coarse: 0 });
    await tick(service, NOW);
    expect(gateway.got).toEqual([]);
    gateway.takes = false;
    await tick(service, NOW, NOW);
    expect(service.counts()).toMatchObject({ coarse: 0 });
    gateway.takes = true;
    for (let second = 1; second < 9; second += 1) await tick(service, NOW + second * 1_000, NOW);
    expect(service.counts()).toMatchObject({ coarse: 122, cells: 0 });
    expect(new Set(gateway.got.map(({ topic }) => topic)).size).toBe(122);
    await tick(service, NOW + 3_600_000, NOW);
    expect(service.counts()).toMatchObject({ coarse: 172 });
  });
});

describe("names to forget", () => {
  it("are forgotten part by part, and answered when all parts have come", () => {
    const gateway = new Gateway();
    const forgotten: string[] = [];
    const forgetting = new Forgetting({ purpose: "scene", forget: (names) => void forgotten.push(...names) });
    const hear = (part: number, id = "0d9f") =>
      forgetting.heard(bytes({ id, part, parts: 2, at: 1, pseudonyms: [`${part}`.padEnd(22, "_")] }), gateway.send);
    expect([hear(1), hear(1), gateway.got.length]).toEqual([true, true, 0]);
    hear(2);
    expect(gateway.got).toEqual([{ topic: "privacy/erased/scene/ack", payload: { id: "0d9f" } }]);
    expect([forgotten.length, forgetting.digests]).toEqual([3, 1]);
    expect(forgetting.heard(bytes("{}"), gateway.send)).toBe(false);
    expect(new Forgetting({ purpose: "weather", forget: () => undefined }).topic).toBeUndefined();
  });
});

describe("what they stand on", () => {
  it("a bounded map gives up what was set longest ago", () => {
    const map = new BoundedMap<string, number>(2);
    expect([map.set("a", 1), map.set("b", 2), map.set("a", 3), map.set("c", 4)]).toEqual([
      undefined,
      undefined,
      undefined,
      2,
    ]);
    expect([...map.entries()]).toEqual([
      ["a", 3],
      ["c", 4],
    ]);
  });

  it("pauses grow to their longest, differ from each other, and begin again", () => {
    const backoff = new Backoff(60_000);
    const pauses = Array.from({ length: 12 }, () => backoff.next());
    expect(Math.max(...pauses)).toBeLessThanOrEqual(60_000);
    expect(Math.min(...pauses.slice(8))).toBeGreaterThanOrEqual(30_000);
    expect(new Set(pauses).size).toBe(12);
    backoff.reset();
    expect(backoff.next()).toBeLessThanOrEqual(1_000);
    backoff.slow();
    expect(backoff.next()).toBeGreaterThanOrEqual(30_000);
  });

  it("the sun is up in Berlin at noon and not at midnight, and stays down in a polar night", () => {
    const berlin = { lat: 52.5, lon: 13.4 };
    expect(sunAt(Date.UTC(2026, 5, 21, 11), berlin)).toMatchObject({ up: true });
    expect(sunAt(Date.UTC(2026, 5, 21, 23), berlin)).toMatchObject({ up: false });
    // It sets there at 14:56 UTC on that day.
    expect(sunAt(Date.UTC(2026, 10, 30, 14, 45), berlin).up).toBe(true);
    expect(sunAt(Date.UTC(2026, 10, 30, 15, 10), berlin).up).toBe(false);
    expect(sunAt(Date.UTC(2026, 11, 21, 11), { lat: 78, lon: 15 }).up).toBe(false);
  });

  it.each([
    ["an instance too many", ["--instances", "65"]],
    ["half an instance", ["--instances", "1.5"]],
    ["cells that are not open", ["--coarse", "3"]],
    ["hours of more than two days", ["--hours", "49"]],
    ["a place that is none", ["--lat", "91", "--lon", "0"]],
    ["half a place", ["--lat", "50"]],
    ["a group that is two levels", ["--group", "a/b"]],
    ["an option that there is not", ["--password", "x"]],
    ["no number", ["--for", "soon"]],
  ])("options with %s are refused", (_what, more) => {
    const needed = ["weather", "--broker", "mqtts://gateway.example:8883", "--name", "w", "--token-file", "t"];
    expect(settingsOf(needed)).toMatchObject({ instances: 1, group: "w", hours: 24, place: undefined });
    expect(() => settingsOf([...needed, ...more])).toThrow(WrongUsage);
  });

  it.each(["mqtt://gateway.example", "http://127.0.0.1", "mqtts://name:token@gateway.example", "gateway"])(
    "a broker at %s is refused",
    (broker) =>
      expect(() => settingsOf(["weather", "--broker", broker, "--name", "w", "--token-file", "t"])).toThrow(WrongUsage),
  );
});
