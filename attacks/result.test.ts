import { describe, expect, test } from "vitest";
import { ATTACKS } from "./attackers/all.ts";
import { gatesOf } from "./measure/gates.ts";
import { MadeUp } from "./recording/made-up.ts";
import { resultLine, resultOf, resultText } from "./result.ts";

const options = { leastTrials: 1, begunAt: 0, fleets: [60] };

async function ofNothing(negativeControl: boolean) {
  const made = new MadeUp();
  made.device(1);
  return resultOf(made.view(), negativeControl ? made.view() : undefined, options);
}

describe("the last line of --json", () => {
  test("has the figures of each attack under the names of the contract, and no other", async () => {
    const line = JSON.parse(resultLine(await ofNothing(true)));
    expect(Object.keys(line)).toEqual(["attacks", "utility", "seed"]);
    expect(Object.keys(line.attacks)).toEqual(ATTACKS.map(({ name }) => name));
    for (const found of Object.values<object>(line.attacks))
      expect(Object.keys(found)).toEqual([
        "rate",
        "low",
        "high",
        "control",
        "negativeControl",
        "goal",
        "trials",
        "holds",
      ]);
    expect(line.utility.fleets).toMatchObject([{ homes: 60, alone: 0 }]);
    expect(line.utility.gates.forecast).toMatchObject({ goal: 1, holds: false });
  });

  test("says of a negative control that was not played that there is none", async () => {
    const line = JSON.parse(resultLine(await ofNothing(false)));
    expect(line.attacks.A7.negativeControl).toBeNull();
  });
});

test("the report says of each attack whether it would have been noticed", async () => {
  const result = await ofNothing(true);
  const { A7 } = result.attacks;
  expect(A7).toMatchObject({ negativeControl: 0, negativeControlNeeds: 0.25, negativeControlSucceeds: false });
  expect(resultText(result)).toMatch(/^A7 .*FAILS WITHOUT THE MECHANISM TOO/m);
});

test("a gate that one fleet misses is not held", () => {
  const utility = {
    homesWithForecast: 1,
    homesInToldWeather: 1,
    temperatureError: 0.3,
    energyTold: 1,
    homesWithPlace: 1,
    weatherLateMs: 320_000,
    sceneLateMs: 0,
    weatherPackets: 1,
    commandsDelivered: 1,
    forecastsDelivered: 1,
  };
  const fleet = {
    homes: 700,
    homesWithForecast: 1,
    homesInToldWeather: 1,
    forecastAt: {},
    temperatureError: 0.5,
    temperatures: 500,
    temperatureErrorAtHome: 0,
    weatherEveryMinutes: 5,
    whenHeardEachStep: { homesInToldWeather: 1, temperatures: 500, temperatureError: 0, temperatureErrorAtHome: 0 },
    storedAt: {},
    storedAtFourOrFiner: 1,
    stored: 1,
    homesInToldActivity: 1,
    alone: 0,
    fewerThanFive: 0,
  };
  const held = (...fleets: Parameters<typeof gatesOf>[1]) =>
    Object.values(gatesOf(utility, fleets)).filter(({ holds }) => !holds);
  expect(held(fleet)).toEqual([]);
  expect(held(fleet, { ...fleet, homesWithForecast: 0.99 })).toHaveLength(1);
  expect(held({ ...fleet, temperatureError: 0.51 })).toHaveLength(1);
  // Of a handful of tellings no median is taken; then that of stations that speak more often counts.
  expect(held({ ...fleet, temperatures: 4, temperatureError: 0.9 })).toEqual([]);
  const often = { ...fleet.whenHeardEachStep, temperatureError: 0.51 };
  expect(held({ ...fleet, temperatures: 4, whenHeardEachStep: often })).toHaveLength(1);
});
