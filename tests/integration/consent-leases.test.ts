/** Promise: a drain waits for every batch that began before it, and for no other. */
import { describe, expect, test } from "vitest";
import { KEPT_TERM_MS, KeptLease } from "../../src/consent/fence/kept-lease.ts";
import type { Lease } from "../../src/model/lease.ts";
import { until } from "../fixtures/eventually.ts";
import { consentStore, device, severalLooks, subject } from "./consent-fixture.ts";

const LEASE_MS = 1_000;
const { store } = consentStore({ leaseMs: LEASE_MS });

test("with no batch in progress it answers at once", async () => {
  const { leases } = store();
  expect(await leases.drain()).toMatchObject({ drained: true });
});

describe("where no lease ends by itself", () => {
  const LONG_MS = 100_000;
  const long = consentStore({ leaseMs: LONG_MS });

  test("waits until the last older lease is released", async () => {
    const { leases } = long.store();
    const older = await Promise.all([leases.acquire(), leases.acquire()]);
    let drained = false;
    const draining = leases.drain().then((answer) => {
      drained = true;
      return answer;
    });
    await older[0].release();
    await severalLooks(long.store().redis);
    expect(drained).toBe(false);
    await older[1].release();
    expect(await draining).toMatchObject({ drained: true });
  });

  test("sees the leases of other processes", async () => {
    const { leases, another } = long.store();
    const lease = await (await another()).leases.acquire();
    let drained = false;
    const draining = leases.drain().then(() => {
      drained = true;
    });
    await severalLooks(long.store().redis);
    expect(drained).toBe(false);
    await lease.release();
    await draining;
  });

  test("does not wait for a lease taken after it began", async () => {
    const { leases } = long.store();
    const older = await leases.acquire();
    const draining = leases.drain();
    // A round trip on the same connection puts the newer lease behind the drain's first look.
    const newer = await leases.acquire();
    await older.release();
    const { drained, waitedMs } = await draining;
    expect(drained).toBe(true);
    expect(waitedMs).toBeLessThan(LONG_MS / 2);
    expect(newer.signal.aborted).toBe(false);
    await newer.release();
  });
});

test("a lease whose holder died ends by itself, and the drain with it", async () => {
  const { leases, another } = store();
  const dead = await another();
  await dead.leases.acquire();
  dead.redis.disconnect();
  const { drained, waitedMs } = await leases.drain();
  expect(drained).toBe(true);
  expect(waitedMs).toBeLessThan(10 * LEASE_MS);
});

test("answers undrained rather than wrong when a lease outlasts the bound", async () => {
  const { leases, redis, keyspace } = store();
  await redis.zadd(keyspace.leases, Date.now() + 60_000, "of-a-clock-that-jumped");
  const { drained, waitedMs } = await leases.drain();
  expect(drained).toBe(false);
  expect(waitedMs).toBeGreaterThanOrEqual(LEASE_MS);
});

describe("the signal", () => {
  /** Long enough that a busy machine looks before its end. */
  const SLOW_MS = 8_000;
  const slow = consentStore({ leaseMs: SLOW_MS });

  test("aborts while the lease still holds", async () => {
    const { leases, redis, keyspace } = slow.store();
    const lease = await leases.acquire();
    const end = Number(await redis.zscore(keyspace.leases, lease.id));
    const abortedAt = await new Promise<number>((aborted) =>
      lease.signal.addEventListener("abort", () => aborted(Date.now())),
    );
    expect(end - abortedAt).toBeGreaterThan(0);
    // A quarter of the term before its end, as far as two clocks of whole milliseconds can tell.
    expect(end - abortedAt).toBeLessThanOrEqual(SLOW_MS * 0.25 + 5);
  });

  test("stays quiet after a release, which may be repeated", async () => {
    const { leases, redis, keyspace } = store();
    const lease = await leases.acquire();
    await lease.release();
    await lease.release();
    expect(await redis.zcard(keyspace.leases)).toBe(0);
    expect(lease.signal.aborted).toBe(false);
  });
});

describe("kept beyond its term", () => {
  const mine = new Set([subject("mine"), device("of-mine")]);
  const afterATerm = (lease: Lease & { readonly id: string }) =>
    until("the term is over", async () => lease.signal.aborted && (await isKept(lease)));
  const isKept = async ({ id }: { readonly id: string }) => {
    const { redis, keyspace } = store();
    return Number(await redis.zscore(keyspace.leases, `${id}*`)) > Date.now() + KEPT_TERM_MS - LEASE_MS;
  };

  test("it holds up whom it concerns, and no one else", async () => {
    const { leases, redis, keyspace } = store();
    const lease = await leases.acquire();
    await lease.keep(mine);
    await afterATerm(lease);
    expect((await leases.drain(subject("mine"))).drained).toBe(false);
    expect((await leases.drain(device("of-mine"))).drained).toBe(false);
    expect((await leases.drain()).drained).toBe(false);
    expect(await leases.drain(subject("other"))).toMatchObject({ drained: true });
    await lease.release();
    expect(await leases.drain(subject("mine"))).toMatchObject({ drained: true });
    expect(await redis.keys(`${keyspace.leases}*`)).toEqual([]);
  });

  test.each([1, 2, 3])(
    "killed after %i commands, a gateway leaves it with whom it concerns or not at all",
    async (commands) => {
      const { redis, keyspace } = store();
      let left = commands;
      const dying = new Proxy(redis, {
        get: (target, name: keyof typeof redis) => {
          const command: unknown = target[name];
          if (typeof command !== "function" || name === "defineCommand") return command;
          left -= 1;
          return left < 0 ? () => Promise.reject(new Error("killed")) : command.bind(target);
        },
      });
      const { id } = await store().leases.acquire();
      const kept = new KeptLease(dying, keyspace, { id, concerned: mine, renewMs: LEASE_MS });
      await kept.start();
      kept.abandon();
      const listed = (await redis.smembers(keyspace.keptLease(id))).length > 0;
      expect(listed).toBe((await redis.zscore(keyspace.leases, `${id}*`)) !== null);
    },
  );

  test("it may concern as many as a pass has, and knows them again when Redis has lost them", async () => {
    const { leases, redis, keyspace } = store();
    const all = new Set(Array.from({ length: 8_001 }, (_, index) => device(`lamp-${index}`)));
    const lease = await leases.acquire();
    await lease.keep(all);
    const listed = () => redis.scard(keyspace.keptLease(lease.id));
    expect(await listed()).toBe(all.size);
    await redis.del(keyspace.keptLease(lease.id));
    await until("it is recorded again", async () => (await listed()) === all.size);
    await lease.release();
  });

  test("a drain in progress goes on waiting when its lease is kept, and stops when that concerns others", async () => {
    const { leases } = store();
    const lease = await leases.acquire();
    const drains = Promise.all([leases.drain(subject("mine")), leases.drain(subject("other"))]);
    await severalLooks(store().redis);
    await lease.keep(mine);
    expect(await drains).toMatchObject([{ drained: false }, { drained: true }]);
    await lease.release();
  });

  test("no one knows whom it concerns: then everyone", async () => {
    const { leases, redis, keyspace } = store();
    const lease = await leases.acquire();
    await lease.keep(mine);
    lease.abandon();
    await redis.del(keyspace.keptLease(lease.id));
    expect((await leases.drain(subject("other"))).drained).toBe(false);
  });

  test("abandoned, it runs out by itself; released, it does not come back", async () => {
    const { leases, redis, keyspace } = store();
    const [abandoned, released] = await Promise.all([leases.acquire(), leases.acquire()]);
    await Promise.all([abandoned.keep(mine), released.keep(mine)]);
    abandoned.abandon();
    await released.release();
    const end = await redis.zscore(keyspace.leases, `${abandoned.id}*`);
    const later = await leases.acquire();
    await later.keep(mine);
    await afterATerm(later);
    expect(await redis.zscore(keyspace.leases, `${abandoned.id}*`)).toBe(end);
    expect(await redis.zscore(keyspace.leases, `${released.id}*`)).toBe(null);
  });

  test("it survives an outage of Redis shorter than its term", async () => {
    const { leases, redis } = store();
    const lease = await leases.acquire();
    redis.disconnect();
    await expect(lease.keep(mine)).resolves.toBeUndefined();
    await until("Redis is back", () => redis.connect().then(() => true));
    await until("it is kept", () => isKept(lease));
    expect((await leases.drain(subject("mine"))).drained).toBe(false);
    await lease.release();
  });
});

test("leases that ran out are swept by the next one", async () => {
  const { leases, redis, keyspace } = store();
  await redis.zadd(keyspace.leases, Date.now() - 1, "left-behind");
  const lease = await leases.acquire();
  expect(await redis.zrange(keyspace.leases, "0", "-1")).toEqual([lease.id]);
  await lease.release();
});

test("while Redis is away no one gets a lease and nothing drains", async () => {
  const { leases, redis } = store();
  const lease = await leases.acquire();
  redis.disconnect();
  await expect(leases.acquire()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  await expect(leases.drain()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  await expect(lease.release()).resolves.toBeUndefined();
});
