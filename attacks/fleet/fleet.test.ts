import { expect, test } from "vitest";
import { type Fleet, fleetOf } from "./fleet.ts";

const fleet = (homes: number, seed = 1) => fleetOf({ homes, seed, devicesPerHome: 3 });

test("what a fleet gets is the same for the same seed, another for another, and more for a larger one", async () => {
  const [one, again, other, larger] = [await fleet(700), await fleet(700), await fleet(700, 2), await fleet(5_000)];
  expect(one).toEqual(again);
  expect(other).not.toEqual(one);
  for (const figure of ["homesInToldWeather", "storedAtFourOrFiner", "homesInToldActivity"] as const)
    expect(larger[figure], figure).toBeGreaterThan(one[figure]);
  const atHome = ({ whenHeardEachStep }: Fleet) => whenHeardEachStep.temperatureErrorAtHome;
  expect(atHome(larger)).toBeLessThan(atHome(one));
  expect(one.whenHeardEachStep.homesInToldWeather).toBeGreaterThan(one.homesInToldWeather);
});

test("no home of any of them is stored in a cell with fewer than five", async () => {
  for (const homes of [4, 60, 700, 5_000]) {
    const { alone, fewerThanFive, storedAt, stored } = await fleet(homes, 3);
    expect([alone, fewerThanFive]).toEqual([0, 0]);
    expect(Object.values(storedAt).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(stored).toBeCloseTo(1 - (storedAt.none ?? 0), 9);
  }
});

test("everyone gets a forecast, and more of them of a fine cell in a larger fleet", async () => {
  const [small, large] = [await fleet(60), await fleet(5_000)];
  const fine = ({ forecastAt }: Fleet) =>
    Object.entries(forecastAt).reduce((sum, [resolution, share]) => sum + (Number(resolution) > 2 ? share : 0), 0);
  expect([small.homesWithForecast, large.homesWithForecast]).toEqual([1, 1]);
  expect(fine(small)).toBeLessThan(fine(large));
});

test("of four homes nothing is stored and nothing told", async () => {
  expect(await fleet(4)).toMatchObject({
    stored: 0,
    homesInToldWeather: 0,
    homesWithForecast: 1,
    forecastAt: { 2: 1 },
    homesInToldActivity: 0,
    storedAt: { none: 1 },
  });
});
