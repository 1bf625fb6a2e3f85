import { describe, expect, it } from "vitest";
import { fire, LONGEST_CHAIN } from "./firing.ts";
import { Homes } from "./homes.ts";
import type { SceneMessage } from "./messages.ts";
import { type Rule, readRules } from "./rules.ts";

const NOW = Date.UTC(2026, 10, 30, 18);
const NIGHT = { up: false, altitude: -12 };
const HOME = "home".padEnd(22, "0");
const name = (text: string) => text.padEnd(22, "_");

const rulesOf = (...rules: object[]): readonly Rule[] =>
  readRules(JSON.stringify({ rules: rules.map((rule, index) => ({ name: `rule ${index}`, ...rule })) }));

const WELCOME = {
  when: {
    and: [
      { "===": [{ var: "said.occupancy" }, true] },
      { "===": [{ var: "sun.up" }, false] },
      { "===": [{ var: "target.power_on" }, false] },
    ],
  },
  do: { command: "power", value: "on", target: { has: "power_on" } },
};

/** A house in which messages are said, a second after each other unless told. */
class House {
  readonly homes = new Homes(1_000);
  readonly rules: readonly Rule[];
  now = NOW;

  constructor(...rules: object[]) {
    this.rules = rulesOf(...rules);
  }

  says(device: string, status: SceneMessage["status"], more: Partial<SceneMessage> = {}, sun = NIGHT) {
    this.now += 1_000;
    return fire(this.rules, { device: name(device), status, at: this.now, ...more }, this.homes, {
      now: this.now,
      sun,
    });
  }
}

describe("motion after sunset with the lamp off", () => {
  it("switches the lamp of the same home on, not those of others, and not one that is on", () => {
    const house = new House(WELCOME);
    house.says("lamp", { power_on: false }, { home: HOME });
    house.says("desk", { power_on: true }, { home: HOME });
    house.says("next door", { power_on: false }, { home: name("other") });
    expect(house.says("hall", { occupancy: true }, { home: HOME }).commands).toEqual([
      { device: name("lamp"), name: "power", value: "on", cause: 0 },
    ]);
  });

  it("does nothing by day", () => {
    const house = new House(WELCOME);
    house.says("lamp", { power_on: false }, { home: HOME });
    expect(house.says("hall", { occupancy: true }, { home: HOME }, { up: true, altitude: 9 }).commands).toEqual([]);
  });

  it("without homes stays within one pseudonym: a lamp with a sensor of its own", () => {
    const house = new House(WELCOME);
    house.says("lamp", { power_on: false });
    expect(house.says("hall", { occupancy: true }).commands).toEqual([]);
    expect(house.says("lamp", { occupancy: true }).commands).toHaveLength(1);
  });

  it("waits for its cool-down, for each device by itself", () => {
    const house = new House({ ...WELCOME, coolDownS: 60 });
    for (const lamp of ["lamp", "desk"]) house.says(lamp, { power_on: false }, { home: HOME });
    expect(house.says("hall", { occupancy: true }, { home: HOME }).commands).toHaveLength(2);
    expect(house.says("hall", { occupancy: true }, { home: HOME })).toMatchObject({ commands: [], cooling: 2 });
    house.now += 60_000;
    expect(house.says("hall", { occupancy: true }, { home: HOME }).commands).toHaveLength(2);
  });

  it("means a family where the rule names one", () => {
    const house = new House({ ...WELCOME, do: { ...WELCOME.do, target: { has: "power_on", model: "bulb" } } });
    house.says("lamp", { power_on: false }, { home: HOME, model: "bulb" });
    house.says("heater", { power_on: false }, { home: HOME, model: "plug" });
    expect(house.says("hall", { occupancy: true }, { home: HOME }).commands.map(({ device }) => device)).toEqual([
      name("lamp"),
    ]);
  });
});

describe("two rules that switch each other", () => {
  const OFF = {
    when: { "===": [{ var: "said.power_on" }, true] },
    do: { command: "power", value: "off" },
    coolDownS: 1,
  };
  const ON = {
    when: { "===": [{ var: "said.power_on" }, false] },
    do: { command: "power", value: "on" },
    coolDownS: 1,
  };

  /** The lamp does as it is told and says so, with what the gateway adds. */
  function fight(causeOf: (cause: number) => Partial<SceneMessage>) {
    const house = new House(OFF, ON);
    let said = house.says("lamp", { power_on: true });
    const causes: number[] = [];
    for (let turn = 0; turn < 50; turn += 1) {
      const [command] = said.commands;
      if (command === undefined) return { house, causes, said };
      causes.push(command.cause);
      house.now += 2_000;
      said = house.says("lamp", { power_on: command.value === "on" }, causeOf(command.cause));
    }
    throw new Error("they never end");
  }

  it("end, where the gateway tells what led to a message", () => {
    const { causes, said } = fight((cause) => ({ cause: cause + 1 }));
    expect([causes, said.chainsEnded]).toEqual([[0, 1, 2, 3, LONGEST_CHAIN], 1]);
  });

  it("end, where it does not", () => {
    const { causes, said } = fight(() => ({}));
    expect([causes, said.chainsEnded]).toEqual([[0, 1, 2, 3, LONGEST_CHAIN], 1]);
  });

  it("do not begin again with what the device repeats by itself, only when it has been left alone", () => {
    const { house } = fight(() => ({}));
    for (let minute = 0; minute < 9; minute += 1) {
      house.now += 59_000;
      expect(house.says("lamp", { power_on: true }).commands).toEqual([]);
    }
    house.now += 600_000;
    expect(house.says("lamp", { power_on: true }).commands).toMatchObject([{ cause: 0 }]);
  });

  it("in two devices of a home end as well", () => {
    const swap = (said: boolean, value: string, has: string) => ({
      when: { "===": [{ var: "said.power_on" }, said] },
      do: { command: "power", value, target: { has } },
      coolDownS: 1,
    });
    const house = new House(swap(true, "off", "power_on"), swap(false, "on", "power_on"));
    const lamps = ["lamp", "desk"];
    for (const lamp of lamps)
      house.homes.said({ device: name(lamp), status: { power_on: false }, at: NOW, home: HOME });
    let waiting = [{ device: name("lamp"), value: "on" as string | number }];
    let turns = 0;
    while (waiting.length > 0) {
      turns += 1;
      expect(turns).toBeLessThan(100);
      house.now += 2_000;
      waiting = waiting.flatMap(({ device, value }) => [
        ...house.says(device.replaceAll("_", ""), { power_on: value === "on" }, { home: HOME }).commands,
      ]);
    }
    expect(turns).toBeGreaterThan(2);
  });

  it("a cause of the gateway beyond the longest chain fires nothing", () => {
    const house = new House(OFF);
    expect(house.says("lamp", { power_on: true }, { cause: LONGEST_CHAIN + 1 })).toMatchObject({
      commands: [],
      chainsEnded: 1,
    });
    expect(house.says("lamp", { power_on: true }, { cause: LONGEST_CHAIN }).commands).toMatchObject([{ cause: 4 }]);
  });

  it("what another property says is no effect of the command", () => {
    const house = new House(OFF);
    house.says("lamp", { power_on: true });
    house.now += 2_000;
    house.says("lamp", { temperature: 21 });
    const button = new House({ ...OFF, when: { "===": [{ var: "said.action" }, "single"] } });
    for (let press = 0; press < 8; press += 1) {
      button.now += 2_000;
      expect(button.says("lamp", { action: "single" }).commands).toMatchObject([{ cause: 0 }]);
    }
  });
});

describe("what is known of homes", () => {
  it("is bounded, in devices and in the devices of a home", () => {
    const homes = new Homes(100);
    for (let n = 0; n < 500; n += 1)
      homes.said({ device: name(`d${n}`), status: { power_on: true }, at: n, home: HOME });
    expect(homes.size).toBe(100);
    const last = homes.said({ device: name("d499"), status: {}, at: 1, home: HOME });
    expect(homes.withProperty(last, "power_on").length).toBeLessThanOrEqual(64);
  });

  it("keeps no more properties than a message may have many times over", () => {
    const homes = new Homes(10);
    for (let n = 0; n < 500; n += 1) homes.said({ device: name("one"), status: { [`p${n}`]: n }, at: n });
    expect(Object.keys(homes.said({ device: name("one"), status: {}, at: 1 }).status)).toHaveLength(64);
  });

  it("follows a device to another home, and forgets it when it is told to", () => {
    const homes = new Homes(10);
    const lamp = { device: name("lamp"), status: { power_on: true }, at: 1 };
    const hall = { device: name("hall"), status: { occupancy: true }, at: 1 };
    homes.said({ ...lamp, home: HOME });
    homes.said({ ...lamp, home: name("other") });
    expect(homes.withProperty(homes.said({ ...hall, home: HOME }), "power_on")).toEqual([]);
    const there = homes.said({ ...hall, home: name("other") });
    expect(homes.withProperty(there, "power_on")).toHaveLength(1);
    homes.forget(name("lamp"));
    expect([homes.withProperty(there, "power_on"), homes.size]).toEqual([[], 1]);
  });
});
