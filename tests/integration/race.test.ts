/**
 * A short race (docs/privacy/race.md), with a store that is slow enough for every withdrawal to meet writes
 * in progress: nothing slips through the fence, and without the fence, or with an erasure that overlooks something,
 * the very same race notices.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Broken } from "../../simulators/race/arena.ts";
import { type RaceResult, racePassed } from "../../simulators/race/result.ts";
import { runRace } from "../../simulators/race/run.ts";

/** What hangs ends; on two busy cores a race of this size takes a minute and a half. */
const TIMEOUT_MS = 600_000;
/** How much of each kind a run of this size comes by is chance, of weather about sixty; a full run must have looked at a thousand. */
const LEAST_CHECKED = 1;

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-race-"));
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

function race(broken?: Broken): Promise<RaceResult> {
  return runRace({
    dir: join(dir, broken ?? "whole"),
    messages: 3_000,
    devices: 60,
    kills: 2,
    seed: 5,
    broken,
    storeDelayMs: 200,
    leastChecked: LEAST_CHECKED,
    say: () => undefined,
    signal: AbortSignal.timeout(TIMEOUT_MS - 10_000),
  });
}

test(
  "withdrawals, new consents, erasures and kills under full load leave nothing stored or forwarded that was withdrawn",
  async () => {
    const result = await race();
    expect(result).toMatchObject({
      messages: 3_000,
      storedAfterWithdrawal: 0,
      rowsAfterErasure: 0,
      forwardedAfterWithdrawal: 0,
      lost: 0,
      violations: [],
      nothingChecked: [],
      kills: { a: 1, b: 1 },
    });
    expect(result.withdrawals).toBeGreaterThan(10);
    expect(result.reconsents).toBeGreaterThan(10);
    expect(result.erasures).toBeGreaterThan(0);
    expect(result.connectionsLost).toBeGreaterThan(0);
    expect(racePassed(result)).toBe(true);
    // Of these no one can tell: in transit at the answer, or late. One in fifty withdrawals has one, without the fence one in three.
    expect(result.forwardedAtTheAnswer).toBeLessThan(result.withdrawals / 5);
  },
  TIMEOUT_MS,
);

/** What was found, as purpose and category. */
const found = ({ violations }: RaceResult) => violations.map(({ what }) => what);

test(
  "the same race finds violations when withdrawals wait for nothing",
  async () => {
    const result = await race("fence");
    expect(result.storedAfterWithdrawal).toBeGreaterThan(0);
    expect(result.forwardedAfterWithdrawal).toBeGreaterThan(0);
    expect(found(result)).toEqual(expect.arrayContaining(["analytics.status", "scene.status"]));
  },
  TIMEOUT_MS,
);

test(
  "the same race finds rows when an erasure overlooks a device",
  async () => {
    const result = await race("erasure");
    expect(result.erasures).toBeGreaterThan(0);
    expect(result.rowsAfterErasure).toBeGreaterThan(0);
    expect(result.violations.map(({ kind }) => kind)).toContain("not erased");
    // The device's consent was overlooked as well: what it goes on sending is used.
    expect(result.forwardedAfterWithdrawal).toBeGreaterThan(0);
    expect(found(result)).toEqual(expect.arrayContaining(["analytics.status", "scene.status"]));
  },
  TIMEOUT_MS,
);
