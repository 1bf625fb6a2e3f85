/**
 * What the worker makes of batches when things go wrong around it: a lock lost while it works, a process that dies
 * in the midst of one, a message nothing can get through, a Redis that goes away, a second gateway beside it.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { jobPlace } from "../../src/queue/job.ts";
import type { WorkerOptions } from "../../src/queue/worker.ts";
import type { PrivateServer } from "../../tools/private-servers/services.ts";
import { builtProgram } from "../../tools/stack/built-program.ts";
import { until } from "../fixtures/eventually.ts";
import { type Handle, keyspace, type QueueGateway, queueGateway } from "../fixtures/queue-gateway.ts";
import { startUnsyncedRedis } from "../fixtures/unsynced-redis.ts";

const QUEUE = `${keyspace.queuePrefix}:${keyspace.queueName}`;
const queueKey = randomBytes(32);

let dir: string;
let server: PrivateServer;
let redis: Redis;
let gateways: QueueGateway[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "consentry-worker-"));
  server = await startUnsyncedRedis(dir);
  redis = new Redis(server.url);
  redis.on("error", () => undefined);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(() => redis.flushall());
afterEach(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  gateways = [];
});

async function gateway(
  handle: Handle = async () => undefined,
  options: Partial<WorkerOptions> = {},
  waitingJobs?: () => number,
): Promise<QueueGateway> {
  const made = await queueGateway(server.url, queueKey, handle, options, waitingJobs);
  gateways.push(made);
  return made;
}

const active = () => redis.lrange(`${QUEUE}:active`, 0, -1);
const stalledTimes = async (id: string) => Number((await redis.hget(`${QUEUE}:${id}`, "stc")) ?? 0);

async function emptied(): Promise<void> {
  await until("the queue is empty", async () => {
    const counts = await Promise.all([
      redis.llen(`${QUEUE}:wait`),
      redis.llen(`${QUEUE}:active`),
      redis.zcard(`${QUEUE}:delayed`),
    ]);
    return counts.every((count) => count === 0);
  });
}

/** Resolves from outside; rejects when the worker stops. */
function gate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    open,
    passed: (stop: AbortSignal) =>
      Promise.race([
        opened,
        new Promise<never>((_, reject) => stop.addEventListener("abort", () => reject(stop.reason))),
      ]),
  };
}

test("batches whose locks were lost come again, are processed once and counted once", async () => {
  const { open, passed } = gate();
  const one = await gateway((_, attempt, stop) => attempt(() => passed(stop)));
  await one.admit("in a pass");
  await one.worker.start();
  await until("it is in progress", () => one.passes.length === 1);
  await one.admit("held");
  await until("both are held", async () => (await active()).length === 2);
  const ids = await active();
  // What ten seconds without Redis come to.
  await redis.del(...ids.map((id) => `${QUEUE}:${id}:lock`));
  await until("both were handed over again", async () => {
    const times = await Promise.all(ids.map(stalledTimes));
    return times.every((count) => count > 0) && (await active()).length === 2;
  });
  open();
  await emptied();
  expect(one.passes).toEqual([["in a pass"], ["held"]]);
  expect(one.books.books()).toMatchObject({ received: 2, recovered: 0, stored: 2, inFlight: 0 });
  const begun = performance.now();
  await one.worker.stop();
  expect(performance.now() - begun).toBeLessThan(2_000);
});

test("a batch that was settled just as its lock was lost is only taken off the queue", async () => {
  const { open, passed } = gate();
  const one = await gateway(async (_, attempt, stop) => {
    await attempt(() => passed(stop));
    const [id] = await active();
    await redis.del(`${QUEUE}:${id}:lock`);
  });
  await one.admit("once");
  await one.worker.start();
  await until("it is in progress", () => one.passes.length === 1);
  open();
  await emptied();
  expect(one.passes).toEqual([["once"]]);
  expect(one.books.books()).toMatchObject({ stored: 1, recovered: 0, inFlight: 0 });
});

describe("a pass that waits until its locks may be over", () => {
  /** Nothing is sure after half of it. */
  const lockMs = 4_000;

  test("goes on when they are not, and holds them for as long again", async () => {
    const { open, passed } = gate();
    const one = await gateway(
      async (_, __, stop, keep) => {
        await passed(stop);
        const [id] = await active();
        await redis.pexpire(`${QUEUE}:${id}:lock`, 2_200);
        await keep?.();
        expect(await redis.pttl(`${QUEUE}:${id}:lock`)).toBeGreaterThan(2_200);
      },
      { lockMs },
    );
    await one.admit("kept");
    await one.worker.start();
    await until("it is in progress", () => one.passes.length === 1);
    const begun = performance.now();
    await until("it is not sure any more", () => performance.now() - begun > lockMs / 2);
    open();
    await emptied();
    expect(one.passes).toEqual([["kept"]]);
    expect(one.books.books()).toMatchObject({ stored: 1, inFlight: 0 });
  });

  test("ends when one is lost: that batch is with another gateway, and the others come again without a blame", async () => {
    const { open, passed } = gate();
    const busy = gate();
    const faults: unknown[] = [];
    let tries = 0;
    const one = await gateway(
      async (names, __, stop, keep) => {
        tries += 1;
        if (tries === 1) return busy.passed(stop);
        if (names.includes("lost")) await passed(stop);
        await keep?.().catch((error: unknown) => {
          faults.push((error as { code?: string }).code);
          throw error;
        });
      },
      { lockMs },
    );
    await one.worker.start();
    await one.admit("busy");
    await until("one pass is in progress", () => one.passes.length === 1);
    // They share the next pass.
    await one.admit("lost");
    await one.admit("shared");
    await until("all are held", async () => (await active()).length === 3);
    busy.open();
    await until("both are in progress", () => one.passes.length === 2);
    const ids = await active();
    const lost = ids.find((id) => jobPlace(id).number === 2) ?? "";
    // As another gateway has it that took it over.
    await redis.set(`${QUEUE}:${lost}:lock`, "of another gateway", "PX", 60_000);
    const begun = performance.now();
    await until("it is not sure any more", () => performance.now() - begun > lockMs / 2);
    open();
    await until("the other one has come again", () => one.passes.some((names) => names.join() === "shared"));
    await until("only the lost one is left", async () => (await active()).join() === lost);
    expect(faults).toEqual(["BATCH_LOST"]);
    expect(one.passes).toEqual([["busy"], ["lost", "shared"], ["shared"]]);
    expect(one.setAside).toEqual([]);
    expect(one.books.books()).toMatchObject({ stored: 2, inFlight: 1 });
    expect(await redis.get(`${QUEUE}:${lost}:lock`)).toBe("of another gateway");
  });
});

test("batches that come one by one are fetched and passed together, after a rest at once", async () => {
  const one = await gateway(async () => undefined, { restMs: 2_000, lockMs: 60_000 });
  await one.worker.start();
  const begun = performance.now();
  await one.admit("first");
  await until("the first has passed", () => one.passes.length === 1);
  expect(performance.now() - begun).toBeLessThan(1_000);
  const fetched = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1]);
  const names = Array.from({ length: 8 }, (_, index) => `${index}`);
  const before = await fetched();
  for (const name of names) await one.admit(name);
  await emptied();
  expect(one.passes.length).toBeLessThanOrEqual(3);
  expect(one.passes.flat()).toEqual(["first", ...names]);
  // Written, fetched and completed, each once, and hardly more: one look at an empty queue for each time it was fetched.
  expect((await fetched()) - before).toBeLessThan(4 * names.length);
});

test("a batch without messages is written and leaves nothing", async () => {
  const one = await gateway();
  await one.admit("before it");
  const content = async () => {
    const keys = (await redis.keys("*")).sort();
    return Promise.all(keys.map(async (key) => [key, (await redis.dump(key))?.length]));
  };
  const before = await content();
  const written = async () => Number(/^total_commands_processed:(\d+)/m.exec(await redis.info("stats"))?.[1]);
  const commands = await written();
  await one.admit();
  // Taken away behind the acknowledgement.
  await until("it is gone", async () => (await redis.keys("*:cover:*")).length === 0);
  expect(await written()).toBeGreaterThan(commands + 3);
  expect(await content()).toEqual(before);
  expect(one.books.books()).toMatchObject({ received: 1, recovered: 0, stored: 0 });
});

test("a message that nothing gets through is found alone, its neighbours are stored, and each batch says so once", async () => {
  const one = await gateway(async (names) => {
    if (names.includes("culprit")) throw new Error("cannot");
  });
  await one.admit("a", "b", "culprit", "c", "d");
  await one.admit("other");
  await one.worker.start();
  await emptied();
  expect(one.setAside).toEqual(["culprit"]);
  const stored = one.passes.filter((names) => !names.includes("culprit")).flat();
  expect(stored.sort()).toEqual(["a", "b", "c", "d", "other"]);
  expect(one.books.books()).toMatchObject({ received: 6, recovered: 0, stored: 5, inFlight: 0 });
  const failures = one.logged.filter(([text]) => text.startsWith("batch failed,"));
  // The batch, its neighbour in the first pass, and the three parts that hold the culprit.
  expect(failures.map(([, fields]) => [fields?.code, fields?.count])).toEqual([
    ["FAULT", 5],
    ["FAULT", 1],
    ["FAULT", 3],
    ["FAULT", 1],
  ]);
}, 90_000);

describe("killed", () => {
  let program: string;
  let file: string;
  beforeAll(async () => {
    program = await builtProgram("tests/fixtures/queue-process.ts");
  });
  beforeEach(async () => {
    file = join(dir, `${randomBytes(6).toString("hex")}.txt`);
    await writeFile(file, "");
  });

  function run(mode = "") {
    const command = [program, server.url, queueKey.toString("hex"), file, mode];
    return execa(process.execPath, command, { extendEnv: true, reject: false });
  }

  /** What became of the messages, sorted. */
  async function outcome(): Promise<string[]> {
    return (await readFile(file, "utf8"))
      .split("\n")
      .filter((line) => line !== "")
      .sort();
  }

  test("by one message of a batch, again and again, it dead-letters that message alone and stores the others", async () => {
    const admitting = await gateway();
    await admitting.admit("one", "two", "poison", "three");
    for (const name of ["x", "y", "z"]) await admitting.admit(name);
    const expected = [
      "dead-lettered poison",
      ...["one", "three", "two", "x", "y", "z"].map((name) => `stored ${name}`),
    ];
    for (let lives = 0; (await outcome()).length < expected.length; lives += 1) {
      expect(lives).toBeLessThan(16);
      const child = run();
      await Promise.race([child, until("all is done", async () => (await outcome()).length >= expected.length)]);
      child.kill("SIGKILL");
      await child;
    }
    expect(await outcome()).toEqual(expected);
  }, 180_000);

  test("while a store is away, however often, it holds that against none of the batches it held", async () => {
    const admitting = await gateway();
    const names = ["one", "two", "three", "four"];
    for (const name of names) await admitting.admit(name);
    const ids = await redis.lrange(`${QUEUE}:wait`, 0, -1);
    for (let kill = 0; kill < 4; kill += 1) {
      const child = run("outage");
      await until("all are held", async () => {
        const times = await Promise.all(ids.map(stalledTimes));
        return times.every((count) => count === kill) && (await active()).length === names.length;
      });
      child.kill("SIGKILL");
      await child;
    }
    const child = run();
    await emptied();
    child.kill("SIGKILL");
    await child;
    expect(await outcome()).toEqual(names.map((name) => `stored ${name}`).sort());
  }, 180_000);
});

test("what a killed gateway held is taken up by another one soon after its lock has ended", async () => {
  const lockMs = 2_000;
  const stuck = await gateway(() => new Promise(() => undefined), { lockMs });
  await stuck.worker.start();
  await stuck.admit("held");
  await until("it is held", async () => (await active()).length === 1);
  const other = await gateway(async () => undefined, { lockMs });
  await other.worker.start();
  // Its last renewal, as after a kill.
  stuck.silence();
  const [id] = await active();
  const leftMs = await redis.pttl(`${QUEUE}:${id}:lock`);
  expect(leftMs).toBeGreaterThan(0);
  const begun = performance.now();
  await until("the other one has it", () => other.passes.length === 1);
  const tookMs = performance.now() - begun;
  expect(tookMs).toBeGreaterThan(leftMs - 200);
  // The next look at what stalled, the next look for work, and a busy machine.
  expect(tookMs).toBeLessThan(leftMs + lockMs / 4 + 500 + 1_000);
});

describe("two gateways on one Redis", () => {
  test("each keep books that balance, no matter which of them settles what; so do their sums", async () => {
    const [one, other] = [await gateway(), await gateway()];
    for (let index = 0; index < 20; index += 1) {
      await one.admit(`one ${index}`, `one more ${index}`);
      await other.admit(`other ${index}`);
    }
    await one.worker.start();
    await emptied();
    await other.worker.start();
    for (let index = 0; index < 20; index += 1) await one.admit(`later ${index}`);
    await emptied();
    await until("both know what the other has settled", async () => {
      await Promise.all([one.handedOver.take(), other.handedOver.take()]);
      return [one, other].every(({ books }) => books.books().inFlight === 0);
    });
    const [mine, theirs] = [one.books.books(), other.books.books()];
    expect(mine.received + theirs.received).toBe(80);
    expect(mine.stored + theirs.stored).toBe(80);
    expect(mine.recovered).toBe(theirs.handedOver);
    expect(theirs.recovered).toBe(mine.handedOver);
    expect(mine.recovered).toBeGreaterThanOrEqual(20);
  });

  test("the idle one is no stalled one while the other holds everything", async () => {
    const { open, passed } = gate();
    const busy = await gateway((_, attempt, stop) => attempt(() => passed(stop)), { watchdogMs: 3_000 });
    await busy.admit("slow");
    await busy.worker.start();
    await until("it is held", () => busy.passes.length === 1);
    const idle = await gateway(undefined, { watchdogMs: 1_000 });
    await idle.worker.start();
    await until("the one that holds it counts as stalled", () => busy.stalls.length > 0);
    expect(idle.stalls).toEqual([]);
    open();
    await emptied();
  });
});

describe("the watchdog", () => {
  afterEach(() => void process.kill(server.pid, "SIGCONT"));

  test("does not take a Redis that is away for a stall, and notices one as soon as it is back", async () => {
    const { open, passed } = gate();
    const hangs: Handle = (_, attempt, stop) => attempt(() => passed(stop));
    const one = await gateway(hangs, { watchdogMs: 2_000 });
    // As if Redis went on saying that work waits.
    const deceived = await gateway(undefined, { watchdogMs: 4_000 }, () => 1);
    await one.worker.start();
    await one.admit("stuck");
    await until("it is held", () => one.passes.length === 1);
    await deceived.worker.start();
    process.kill(server.pid, "SIGSTOP");
    await until("one that does not know better gives up", () => deceived.stalls.length > 0);
    expect(one.stalls).toEqual([]);
    process.kill(server.pid, "SIGCONT");
    await until("a stall is noticed", () => one.stalls.length > 0);
    expect(one.stalls[0]).toBe("PIPELINE_STALLED");
    open();
    await emptied();
  });
});
