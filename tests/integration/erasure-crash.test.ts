/**
 * An erasure that is cut off at any of its commands to Redis or to the store, the command's effect there and
 * its answer lost, is carried to its end by the next process: nothing is left, and the receipt tells the truth.
 */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Ledger } from "../../src/consent/ledger/ledger.ts";
import { SubjectErasure } from "../../src/consent/ledger/subject-erasure.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../src/model/ids.ts";
import { verifyReceipt } from "../../src/rights/receipts/signer.ts";
import type { InfluxSink } from "../../src/sinks/influx/sink.ts";
import { type PrivateServer, startInflux } from "../../tools/private-servers/services.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { CONSENT, consentStore, device, type Store, subject } from "./consent-fixture.ts";
import { EPOCH_MS, erasuresOn, keyring, never, signer } from "./erasure-fixture.ts";
import { query, quiet, sinkFor, temporaryFolder } from "./influx-fixture.ts";

const { store } = consentStore();
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let influx: PrivateServer;
let sink: InfluxSink;

beforeAll(async () => {
  folder = await temporaryFolder();
  influx = await startInflux({ dir: folder.dir, say: quiet });
  ({ sink } = sinkFor(influx.url));
  await sink.start(never);
});
afterAll(async () => {
  await sink.stop();
  await influx.stop();
  await folder.remove();
});

const SERVICE = "lights";

/** A process that dies with its `at`-th command, of which it never hears; afterwards nothing it does has any effect. */
class Doomed {
  readonly #at: number;
  #count = 0;
  #dead = false;

  constructor(at: number) {
    this.#at = at;
  }

  get dead(): boolean {
    return this.#dead;
  }

  async run<T>(command: () => Promise<T>): Promise<T> {
    this.#count += 1;
    if (this.#count > this.#at) this.#dead = true;
    if (this.#dead) throw new Error("killed");
    const result = await command();
    if (this.#count < this.#at) return result;
    this.#dead = true;
    throw new Error("killed");
  }

  /** Every command of this connection counts; `multi` counts when it is opened. */
  redis(redis: Redis): Redis {
    return new Proxy(redis, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name === "defineCommand" || name === "multi") return value.bind(target);
        return (...args: unknown[]) => this.run(async () => value.apply(target, args));
      },
    });
  }
}

interface World {
  readonly tag: SubjectTag;
  readonly device: DeviceKey;
  /** Of its status, and of its place. */
  readonly names: readonly Pseudonym[];
  readonly ledger: Ledger;
}

/** Someone with three stored rows. */
async function someone(): Promise<World> {
  const { redis, keyspace } = store();
  const ledger = new Ledger(redis, keyspace, {
    journal: NO_JOURNAL,
    createSubjectKey: () => keyring.createSubjectKey(),
    now: Date.now,
    controller: "vendor",
    expiryDays: 365,
  });
  const [tag, key] = [subject(randomUUID()), device(randomUUID())];
  await ledger.bind(tag, key);
  await ledger.give(tag, CONSENT);
  const wrapped = (await redis.hget(keyspace.subject(tag), "key")) ?? "";
  const now = Date.now();
  const name = keyring.pseudonym(wrapped, key, "analytics", Math.floor(now / EPOCH_MS));
  const records = [1, 2].map((n) => ({ device: name, status: { n }, timestampNs: `${now}00000${n}` }));
  const placeName = keyring.pseudonym(wrapped, key, "place", Math.floor(now / EPOCH_MS));
  await sink.write(records, never);
  const epochStart = now - (now % EPOCH_MS);
  await sink.writePlaces([{ device: placeName, cell: "8560145bfffffff" as never, resolution: 5, epochStart }], never);
  return { tag, device: key, names: [name, placeName], ledger };
}

function processOn({ redis, keyspace, leases }: Store, doomed?: Doomed) {
  const run = <T>(command: () => Promise<T>) => (doomed === undefined ? command() : doomed.run(command));
  const connection = doomed === undefined ? redis : doomed.redis(redis);
  const ports: NonNullable<Parameters<typeof erasuresOn>[1]> = {
    ledger: new SubjectErasure(connection, keyspace, { now: Date.now }),
    leases: { acquire: () => leases.acquire(), drain: (tag) => run(() => leases.drain(tag)) },
    deadLetters: { purge: () => run(async () => undefined) },
    journal: () => run(async () => undefined),
    services: (purpose) => (purpose === "scene" ? [SERVICE] : []),
    tell: () => true,
    sinks: [
      {
        name: "influx",
        region: "IN",
        rowDelete: (signal) => sink.rowDelete(signal),
        countRows: (devices, signal) => run(() => sink.countRows(devices, signal)),
        removeDevices: (devices, signal) => run(() => sink.removeDevices(devices, signal)),
      },
    ],
  };
  return erasuresOn({ ...store(), redis: connection }, ports, {
    acknowledgeDeadlineMs: 3_600_000,
  });
}

/** Asks and goes on until it waits for the service's answer or is done; false when it died on the way. */
async function carriedOut(world: World, fixture: ReturnType<typeof processOn>, again: boolean): Promise<boolean> {
  try {
    if (again) await fixture.erasures.request(world.tag, { by: "subject", method: "api" });
    for (const id of await fixture.records.open()) {
      await fixture.erasures.advance(id, never);
      if ((await fixture.erasures.status(id)) === undefined) await fixture.erasures.advance(id, never);
    }
    await fixture.digests.turn();
    return true;
  } catch {
    // What the end of a process becomes further up does not matter.
    return false;
  }
}

async function expectErased({ tag, device: key, names, ledger }: World): Promise<void> {
  const { redis, keyspace } = store();
  const fixture = processOn(store());
  const [id = ""] = await fixture.records.open();
  const [digest = ""] = await redis.hkeys(keyspace.digests);
  expect(await fixture.digests.acknowledge(digest, "scene", SERVICE)).toBe(true);
  await fixture.erasures.advance(id, never);
  expect(await fixture.records.open()).toEqual([]);

  const status = await fixture.erasures.status(id);
  expect(status).toMatchObject({ state: "completed", services: [{ purpose: "scene", notified: 1, acknowledged: 1 }] });
  const verification = verifyReceipt(status?.receipt, signer.publicKey.pem);
  expect(verification).toMatchObject({
    valid: true,
    receipt: { keyDestroyed: true, sinks: [{ rowsDeleted: 3, verified: true, method: "deleted" }] },
  });
  const theirs = names.map((name) => `device = '${name}'`).join(" OR ");
  expect(await query(influx.url, `SELECT * FROM device_status, device_location WHERE ${theirs}`)).toEqual([]);
  expect(await redis.hget(keyspace.subject(tag), "key")).toBeNull();
  expect(Object.keys(await redis.hgetall(keyspace.erasure(tag, id)))).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(key|facts|notices)$/)]),
  );
  expect(await redis.get(keyspace.decision(tag, key))).toMatch(/^3\|withdrawn\|.*\|\|-$/);
  const record = await ledger.record(tag);
  expect(record?.events.map(({ type }) => type)).toEqual(["bound", "given", "erasure-requested", "erased"]);
  expect(JSON.parse((await redis.hget(keyspace.tombstones, tag)) ?? "{}")).toMatchObject({
    erasure: id,
    head: record?.head,
  });
}

test("a process that ends with any of its commands loses nothing", { timeout: 240_000 }, async () => {
  await processOn(store()).records.useEpochLength(EPOCH_MS);
  let cuts = 0;
  for (let at = 0; ; at += 1) {
    const world = await someone();
    const doomed = new Doomed(at);
    const finished = await carriedOut(world, processOn(store(), doomed), true);
    if (finished && !doomed.dead) {
      await expectErased(world);
      break;
    }
    cuts += 1;
    // The one who asked had no answer, or had one: asking again is safe in both cases.
    expect(await carriedOut(world, processOn(store()), at % 2 === 0 || !(await begun(world)))).toBe(true);
    await expectErased(world);
  }
  expect(cuts).toBeGreaterThan(40);
});

async function begun({ tag }: World): Promise<boolean> {
  return (await store().redis.hexists(store().keyspace.subject(tag), "erasure")) === 1;
}
