import { cellToLatLng, latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import { forecast, type Medians, MOST_BYTES } from "./weather-model.ts";

const BANGALORE = latLngToCell(12.97, 77.59, 6);
const BERLIN = latLngToCell(52.5, 13.4, 5);
const CAPE_TOWN = latLngToCell(-33.9, 18.4, 6);
const HOUR_MS = 3_600_000;
const JULY = Date.UTC(2026, 6, 15, 12);
const JANUARY = Date.UTC(2026, 0, 15, 12);
const CONDITIONS = ["clear", "cloudy", "rain", "snow", "fog", "storm", "wind"];

const meanOf = (cell: string, at: number): number => {
  const { hours } = forecast(cell, at, {}, 24);
  return hours.reduce((sum, { temperature }) => sum + temperature, 0) / hours.length;
};

describe("a forecast", () => {
  it("is the same for the same input, and another one for another cell, time or measurement", () => {
    const medians = { temperature: 19.5, humidity: 60 };
    const one = JSON.stringify(forecast(BERLIN, JULY, medians, 24));
    expect(JSON.stringify(forecast(BERLIN, JULY, { ...medians }, 24))).toBe(one);
    for (const [cell, at, told] of [
      [BANGALORE, JULY, medians],
      [BERLIN, JANUARY, medians],
      [BERLIN, JULY, { ...medians, temperature: 25 }],
    ] as const)
      expect(JSON.stringify(forecast(cell, at, told, 24))).not.toBe(one);
  });

  it("begins with the hour of the step, goes on by the hour and is of use until the last one is over", () => {
    const at = JULY + 23 * 60_000;
    const { hours, ...told } = forecast(BERLIN, at, {}, 12);
    expect(hours.map((hour) => hour.at)).toEqual(Array.from({ length: 12 }, (_, index) => JULY + index * HOUR_MS));
    expect(told).toEqual({ at, until: JULY + 12 * HOUR_MS });
  });

  it("begins where it was measured, and forgets that with the hours", () => {
    const usual = forecast(BERLIN, JULY, {}, 25).hours;
    const hot = forecast(BERLIN, JULY, { temperature: 36 }, 25).hours;
    const off = (index: number) => Math.abs((hot[index]?.temperature ?? 0) - (usual[index]?.temperature ?? 0));
    expect(hot[0]?.temperature).toBe(36);
    expect(off(0)).toBeGreaterThan(off(6));
    expect(off(24)).toBeLessThan(off(0) / 2);
  });

  it("knows winter and summer on both sides of the equator, and the hours of the day", () => {
    expect(meanOf(BERLIN, JULY)).toBeGreaterThan(meanOf(BERLIN, JANUARY) + 10);
    expect(meanOf(CAPE_TOWN, JANUARY)).toBeGreaterThan(meanOf(CAPE_TOWN, JULY) + 5);
    const [, longitude] = cellToLatLng(BERLIN);
    const warmest = forecast(BERLIN, JULY - 12 * HOUR_MS, {}, 24).hours.toSorted(
      (a, b) => b.temperature - a.temperature,
    )[0];
    expect((((warmest?.at ?? 0) / HOUR_MS) % 24) + longitude / 15).toBeCloseTo(15, -0.5);
  });

  it("stays in its ranges and its size, whatever is asked and whatever was measured", () => {
    const extremes: Medians[] = [
      {},
      { temperature: 80, humidity: 100, pressure: 1_100, wind_speed: 100 },
      { temperature: -60, humidity: 0, pressure: 300, wind_speed: 0 },
      { temperature: Number.NaN, humidity: Number.POSITIVE_INFINITY },
    ];
    for (const cell of [BERLIN, BANGALORE, CAPE_TOWN, latLngToCell(89.9, 10, 3)])
      for (const medians of extremes)
        for (const hours of [-1, 1, 24, 48, 1e9]) {
          const told = forecast(cell, JANUARY, medians, hours);
          expect(JSON.stringify(told).length).toBeLessThanOrEqual(MOST_BYTES);
          expect(told.hours.length).toBeGreaterThanOrEqual(hours >= 24 ? 24 : 1);
          expect(told.hours.length).toBeLessThanOrEqual(48);
          for (const { temperature, humidity, pressure, windSpeed, precipitation, condition } of told.hours) {
            expect(Math.abs(temperature)).toBeLessThanOrEqual(60);
            expect([humidity >= 5, humidity <= 100, pressure >= 900, pressure <= 1_080]).toEqual(Array(4).fill(true));
            expect([windSpeed >= 0, windSpeed <= 60, precipitation >= 0, precipitation <= 50]).toEqual(
              Array(4).fill(true),
            );
            expect(CONDITIONS).toContain(condition);
          }
        }
  });

  it("says rain, snow and clear skies at some time of the year", () => {
    const said = new Set<string>();
    for (let day = 0; day < 365; day += 1)
      for (const { condition, precipitation, temperature } of forecast(BERLIN, JANUARY + day * 24 * HOUR_MS, {}, 24)
        .hours) {
        said.add(condition);
        if (condition === "snow") expect(temperature).toBeLessThanOrEqual(0.5);
        if (condition === "clear") expect(precipitation).toBe(0);
      }
    expect([...said].toSorted()).toEqual(expect.arrayContaining(["clear", "cloudy", "rain", "snow"]));
  });
});
