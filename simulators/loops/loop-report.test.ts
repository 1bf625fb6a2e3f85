/** The loops are held against the services' own accounts, and against who was asked. */
import { latLngToCell } from "h3-js";
import { expect, it } from "vitest";
import { LoopLog, type Switching, type ToldForecast } from "../loop-log.ts";
import { makePopulation, type Standing } from "../population.ts";
import { loopShortcomings } from "./loop-lines.ts";
import { loopReport } from "./loop-report.ts";

const { devices } = makePopulation(3, 200);
const WEATHER = { cells: 1, unreadable: 0 };
const SCENE = { commands: 2, outcomes: { delivered: 2 }, unreadable: 0 };

function told(standing: Standing, resolution: number, at = 0): ToldForecast {
  const device = devices.find(({ household, profile }) => household.standing === standing && !profile.moving);
  if (device === undefined) throw new Error("no such device");
  const cell = latLngToCell(device.household.lat + at, device.household.lon, resolution);
  return { device, topic: `devices/${device.id}/notices/weather`, payload: JSON.stringify({ cell, hours: [] }) };
}

function log(forecasts: readonly ToldForecast[], ms: readonly number[]): LoopLog {
  const one = new LoopLog();
  one.forecasts.push(...forecasts);
  one.switchings.push(...ms.map((took) => ({ ms: took }) as Switching));
  one.commands = ms.length;
  one.carriedOut = ms.length;
  return one;
}

it("counts what devices got, and shows the forecast of the smallest cell", () => {
  const fine = told("consenting", 6);
  const report = loopReport(log([told("consenting", 0), fine], [5, 9]), { weather: WEATHER, scene: SCENE });
  expect(report).toMatchObject({
    weather: { cells: 2, forecastsDelivered: 2, devicesReached: 1 },
    scene: { rulesFired: 2, commandsDelivered: 2, medianMs: 9 },
    forecast: fine,
    problems: [],
  });
  expect(loopShortcomings(report)).toEqual([]);
});

it.each<[string, LoopLog, object, RegExp]>([
  ["for who was never asked", log([told("without-consent", 0)], [5, 9]), {}, /did not agree/],
  ["of a cell elsewhere", log([told("consenting", 6, 3)], [5, 9]), {}, /not below their cells/],
  ["of which two were lost", log([], []), {}, /told of 2 commands that arrived, devices got 0/],
  ["that no one sent", log([], [5, 9, 7]), {}, /told of 2 commands that arrived, devices got 3/],
  ["that was not obeyed", Object.assign(log([], [5, 9]), { carriedOut: 1 }), {}, /1 commands were not carried out/],
  ["that could not be read", log([], [5, 9]), { unreadable: 1 }, /could not read 1 packets/],
])("does not pass what is %s", (_what, devicesSay, scene, problem) => {
  const { problems } = loopReport(devicesSay, { weather: WEATHER, scene: { ...SCENE, ...scene } });
  expect(problems.join()).toMatch(problem);
});

it("is not closed where nothing came back", () => {
  const report = loopReport(new LoopLog(), { weather: WEATHER, scene: { commands: 0, outcomes: {}, unreadable: 0 } });
  expect(loopShortcomings(report)).toHaveLength(6);
  expect(report.problems).toEqual([]);
});
