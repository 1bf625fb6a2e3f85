/** The last hour in figures: rates between readings, quantiles of what came in between, and never more than the hour. */
import { expect, it } from "vitest";
import { Distribution } from "./distribution.ts";
import { History, quantileMs, type Reading } from "./history.ts";
import { Metrics } from "./metrics.ts";

const NOW = {
  backlogMessages: 3,
  backlogBytes: 900,
  backlogOldestSeconds: 0,
  devices: 2,
  services: 1,
  deadLetters: 0,
  eventLoopP99Ms: 1,
};

function reading(metrics: Metrics, seconds: number, puback = new Distribution([0.01, 0.1])): Reading {
  return { at: 1_000 * seconds, elapsed: 1_000 * seconds, books: metrics.books(), forwarded: 0, puback, now: NOW };
}

it("tells rates between two readings, by reason, and nothing of the first", () => {
  const metrics = new Metrics({ eventLoopDelayMs: 250 });
  const history = new History(5_000, 3_600_000);
  metrics.received(100);
  expect(history.add(reading(metrics, 0))).toMatchObject({ received: 0, refusedBy: {}, pubackP50Ms: null });
  metrics.received(50);
  metrics.refused("over-rate", 10);
  metrics.stored(40);
  expect(history.add(reading(metrics, 5))).toMatchObject({
    received: 10,
    stored: 8,
    refused: 2,
    refusedBy: { "over-rate": 2 },
    inFlight: 100,
    backlogBytes: 900,
  });
  expect(history.columns()).toMatchObject({ at: [0, 5_000], received: [0, 10], refusedBy: { "over-rate": [0, 2] } });
});

it("tells what a person or a court has decided as one reason", () => {
  const metrics = new Metrics({ eventLoopDelayMs: 250 });
  const history = new History(5_000, 3_600_000);
  history.add(reading(metrics, 0));
  for (const reason of ["legal-hold", "consent-withdrawn", "guardian-missing"] as const) metrics.refused(reason, 10);
  expect(history.add(reading(metrics, 5))).toMatchObject({ refused: 6, refusedBy: { "not-permitted": 6 } });
});

it("tells the quantiles of what was acknowledged since the reading before", () => {
  const metrics = new Metrics({ eventLoopDelayMs: 250 });
  const history = new History(5_000, 3_600_000);
  const puback = new Distribution([0.01, 0.1]);
  puback.observe(0.05, 1_000);
  history.add(reading(metrics, 0, puback));
  puback.observe(0.005, 100);
  expect(history.add(reading(metrics, 5, puback))).toMatchObject({ pubackP50Ms: 5, pubackP99Ms: 9.9 });
  expect(history.add(reading(metrics, 10, puback)).pubackP50Ms).toBeNull();
});

it("holds an hour and no more", () => {
  const metrics = new Metrics({ eventLoopDelayMs: 250 });
  const history = new History(5_000, 20_000);
  for (let second = 0; second <= 60; second += 5) history.add(reading(metrics, second));
  expect(history.columns().at).toEqual([45_000, 50_000, 55_000, 60_000]);
});

it("a quantile above the last bound is that bound, as far as anything is known of it", () => {
  expect(quantileMs([0.01, 0.1], [0, 0, 7], 0.5)).toBe(100);
  expect(quantileMs([0.01, 0.1], [0, 0, 0], 0.5)).toBeNull();
});
