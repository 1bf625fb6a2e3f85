/**
 * Promise: what is told of crowds is told by one gateway, and a gateway that was killed, or is stuck, keeps the others from it for
 * seconds only.
 */
import { expect, test } from "vitest";
import { Turn } from "../../src/crowds/turn.ts";
import { until } from "../fixtures/eventually.ts";
import { consentStore } from "./consent-fixture.ts";

const { store } = consentStore();
/** Far longer than a busy machine keeps a test from going on. */
const TIMES = { turnMs: 2_000, patienceMs: 60_000 };
const NOTHING = async () => undefined;
const never = () => new Promise<void>(() => undefined);

const turnOf = (redis = store().redis, times = TIMES) => new Turn(redis, store().keyspace.weatherTurn, times);
/** Resolves once the time the turn has left was lengthened so often. */
async function lengthened(times: number): Promise<void> {
  const { redis, keyspace } = store();
  let left = await redis.pttl(keyspace.weatherTurn);
  for (let seen = 0; seen < times; ) {
    const now = await redis.pttl(keyspace.weatherTurn);
    if (now > left) seen += 1;
    left = now;
  }
}

test("the turn of a gateway that was killed ends by itself, within five seconds", async () => {
  const redis = store().redis.duplicate();
  await redis.connect();
  void new Turn(redis, store().keyspace.weatherTurn).take(never).catch(NOTHING);
  const left = () => store().redis.pttl(store().keyspace.weatherTurn);
  await until("the turn is taken", async () => (await left()) > 0);
  expect(await left()).toBeLessThanOrEqual(5_000);

  await store().redis.del(store().keyspace.weatherTurn);
  void turnOf(redis).take(never).catch(NOTHING);
  await until("the turn is taken", async () => (await left()) > 0);
  expect(await turnOf().take(NOTHING)).toBe(false);
  redis.disconnect();
  await until("the turn ends", () => turnOf().take(NOTHING));
});

test("work that takes longer than a turn keeps it", async () => {
  let others = 0;
  await turnOf().take(async (mine) => {
    // Four of them are as long as a turn.
    await lengthened(6);
    if (await turnOf().take(NOTHING)) others += 1;
    expect(await mine()).toBe(true);
  });
  expect(others).toBe(0);
  expect(await turnOf().take(NOTHING)).toBe(true);
});

test("work that is stuck loses its turn, and is told so when it goes on", async () => {
  let goOn = (): void => undefined;
  const stuck = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const mines: boolean[] = [];
  const working = turnOf(store().redis, { turnMs: 2_000, patienceMs: 2_500 }).take(async (mine) => {
    mines.push(await mine());
    await stuck;
    mines.push(await mine());
  });
  await until("it works", () => mines.length === 1);
  await until("the turn is lost", () =>
    turnOf().take(async (mine) => {
      goOn();
      await working;
      expect(await mine()).toBe(true);
    }),
  );
  expect(mines).toEqual([true, false]);
});
