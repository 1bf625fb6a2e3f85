/** When an export may begin and what it looks for, on the real ledgers: nothing that is held slips between two readings. */
import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { erasureFacts } from "../../src/consent/ledger/erasure-facts.ts";
import { LedgerStore } from "../../src/consent/ledger/store.ts";
import { SubjectErasure } from "../../src/consent/ledger/subject-erasure.ts";
import { GatewayError } from "../../src/model/errors.ts";
import type { BegunExport, ExportItem } from "../../src/model/export.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../../src/model/ids.ts";
import { Exports } from "../../src/rights/access/export.ts";
import type { ExportPorts } from "../../src/rights/access/ports.ts";
import { ErasureRecords } from "../../src/rights/erasure/record.ts";
import { CONSENT, consentStore, device, subject } from "./consent-fixture.ts";
import { EPOCH_MS, erasuresOn } from "./erasure-fixture.ts";

const { store } = consentStore();
const ANNA = subject("anna");
const HUB = device("hub");
const NOBODY_ELSE = { by: "subject" } as const;

/** Keys under which names were made and asked for. */
let lookedUnder: Set<string>;
let logged: string[];

beforeEach(async () => {
  lookedUnder = new Set();
  logged = [];
  await store().ledger.bind(ANNA, HUB);
  await store().ledger.give(ANNA, CONSENT);
  const records = new ErasureRecords(store().redis, store().keyspace);
  await records.useEpochLength(EPOCH_MS);
  await records.useClockWindow(EPOCH_MS, 0);
});

function exportsWith(ports: Partial<ExportPorts> = {}): Exports {
  const { redis, keyspace, ledger } = store();
  const ledgers = new LedgerStore(redis, keyspace);
  const { erasures } = erasuresOn(store());
  return new Exports({
    ledger,
    facts: async (tag) => {
      const { events, wrappedSubjectKey } = await ledgers.read(tag);
      return { facts: erasureFacts(events), wrappedSubjectKey };
    },
    contact: async () => undefined,
    deviceConnections: store().deviceConnections,
    decisions: async () => [],
    places: { of: async () => new Map() },
    network: { of: async () => new Map() },
    scenes: { of: async () => new Map() },
    setAside: async function* () {},
    disclosures: { of: async () => [] },
    erasures,
    erasureRecords: new ErasureRecords(redis, keyspace),
    rows: {
      check: async () => undefined,
      rows: async function* () {},
    },
    keyring: {
      pseudonym: (key, of, _purpose, epoch) => {
        lookedUnder.add(key);
        return `${key}|${of}|${epoch}` as Pseudonym;
      },
    },
    properties: [{ name: "temperature", label: "temperature", stored: "rounded", scene: "rounded" }],
    keyIsWhole: async () => false,
    centerOf: () => undefined,
    now: Date.now,
    log: { info: () => {}, warn: () => {}, error: (event, fields) => void logged.push(`${event} ${fields?.code}`) },
    ...ports,
  });
}

async function read(begun: BegunExport): Promise<ExportItem[]> {
  if (begun.refused !== undefined) throw new Error(begun.refused);
  const items: ExportItem[] = [];
  for await (const item of begun.items) items.push(item);
  return items;
}

async function keyOf(tag: SubjectTag): Promise<string> {
  const { redis, keyspace } = store();
  return (await redis.hget(keyspace.subject(tag), "key")) ?? "";
}

function beginErasure(tag: SubjectTag): Promise<unknown> {
  const { redis, keyspace } = store();
  const request = { id: randomUUID(), by: "subject", method: "api" } as const;
  const records = new ErasureRecords(redis, keyspace);
  return records
    .register(request.id, tag)
    .then(() => new SubjectErasure(redis, keyspace, { now: Date.now }).begin(tag, request));
}

describe("an erasure that begins", () => {
  test.each(["facts", "record", "decisions"] as const)(
    "right after the %s were read takes nothing away from the export",
    async (after) => {
      const key = await keyOf(ANNA);
      let begun = 0;
      const { ledger } = store();
      const ledgers = new LedgerStore(store().redis, store().keyspace);
      const meanwhile = async <T>(which: string, value: T): Promise<T> => {
        if (which === after && begun === 0) {
          begun += 1;
          await beginErasure(ANNA);
        }
        return value;
      };
      const exports = exportsWith({
        facts: async (tag) => {
          const { events, wrappedSubjectKey } = await ledgers.read(tag);
          return meanwhile("facts", { facts: erasureFacts(events), wrappedSubjectKey });
        },
        ledger: { record: async (tag) => meanwhile("record", await ledger.record(tag)) },
        decisions: async () => meanwhile("decisions", []),
      });
      await read(await exports.begin(ANNA, NOBODY_ELSE));
      expect(begun).toBe(1);
      expect([...lookedUnder]).toEqual([key]);
    },
  );

  test("and a consent after it are looked for under both keys", async () => {
    const first = await keyOf(ANNA);
    await beginErasure(ANNA);
    await store().ledger.give(ANNA, CONSENT);
    const second = await keyOf(ANNA);
    expect(second).not.toBe(first);
    await read(await exportsWith().begin(ANNA, NOBODY_ELSE));
    expect(lookedUnder).toEqual(new Set([first, second]));
  });
});

describe("a key that is gone", () => {
  const incomplete = async (ports: Partial<ExportPorts> = {}) =>
    (await read(await exportsWith(ports).begin(ANNA, NOBODY_ELSE)))[0];

  test("is told of at the head, and what is there under another is there", async () => {
    expect(await incomplete()).not.toHaveProperty("incomplete");
    const { redis, keyspace, ledger } = store();
    await redis.hdel(keyspace.subject(ANNA), "key");
    expect(await incomplete()).toMatchObject({ kind: "export", incomplete: "key-lost" });
    // As a restore without keys leaves it; the consent after that begins another key.
    const facts = async (tag: SubjectTag) => {
      const { events, wrappedSubjectKey } = await new LedgerStore(redis, keyspace).read(tag);
      return { facts: { ...erasureFacts(events), keyLost: true as const }, wrappedSubjectKey };
    };
    await ledger.withdraw(ANNA, {});
    await ledger.give(ANNA, CONSENT);
    lookedUnder.clear();
    expect(await incomplete({ facts })).toMatchObject({ incomplete: "key-lost" });
    expect(lookedUnder).toEqual(new Set([await keyOf(ANNA)]));
  });

  test("of an erasure that has not deleted yet is told of; of one that has, its receipt tells", async () => {
    await beginErasure(ANNA);
    const { redis, keyspace } = store();
    const [id = ""] = await new ErasureRecords(redis, keyspace).open();
    const record = keyspace.erasure(ANNA, id);
    expect(await incomplete()).not.toHaveProperty("incomplete");
    await redis.hdel(record, "key");
    expect(await incomplete()).toMatchObject({ incomplete: "key-lost" });
    await redis.hset(record, "step", "notify");
    expect(await incomplete()).not.toHaveProperty("incomplete");
  });

  test("or does not open keeps no one from the rest; where no key opens nothing is given out", async () => {
    const keyring = {
      pseudonym: () => {
        throw new GatewayError("SUBJECT_KEY_UNREADABLE");
      },
    };
    expect(await incomplete({ keyring })).toMatchObject({ incomplete: "key-lost" });
    const wrong = exportsWith({ keyring, keyIsWhole: async () => true });
    await expect(wrong.begin(ANNA, NOBODY_ELSE)).rejects.toMatchObject({ code: "SUBJECT_KEY_UNREADABLE" });
  });

  test("of whom nothing can be stored is no loss", async () => {
    const tag = subject("ben");
    await store().ledger.bind(tag, device("lamp"));
    await store().ledger.give(tag, { ...CONSENT, purposes: { scene: ["status"] } });
    await store().redis.hdel(store().keyspace.subject(tag), "key");
    expect((await read(await exportsWith().begin(tag, NOBODY_ELSE)))[0]).not.toHaveProperty("incomplete");
  });
});

describe("places", () => {
  const others = ["ben", "cleo", "dora", "emil"].map((name) => subject(name));

  beforeEach(async () => {
    for (const [index, tag] of others.entries()) await store().ledger.bind(tag, device(`lamp-${index}`));
  });

  test("are few, and each is given back once, whatever becomes of the export", async () => {
    const exports = exportsWith();
    const open = await Promise.all(others.map((tag) => exports.begin(tag, NOBODY_ELSE)));
    expect(open.map(({ refused }) => refused)).toEqual([undefined, undefined, undefined, undefined]);
    const refused = async (tag: SubjectTag) => (await exports.begin(tag, NOBODY_ELSE)).refused;
    expect(await refused(ANNA)).toBe("too-many-exports");
    const [ben, cleo] = open;
    // Never begun to be read.
    if (ben !== undefined && ben.refused === undefined) {
      ben.close();
      const anna = await exports.begin(ANNA, NOBODY_ELSE);
      // A second time is no one else's loss.
      ben.close();
      expect(await refused(ANNA)).toBe("too-many-exports");
      await read(anna);
    }
    if (cleo !== undefined) await read(cleo);
    expect(await refused(ANNA)).toBeUndefined();
  });

  test("are given back when the store does not answer, at the beginning or in the middle", async () => {
    let away = true;
    const gone = () => Promise.reject(new Error("away"));
    const exports = exportsWith({
      rows: {
        check: () => (away ? gone() : Promise.resolve()),
        rows: async function* () {
          yield [];
          await gone();
        },
      },
    });
    await expect(exports.begin(ANNA, NOBODY_ELSE)).rejects.toThrow("away");
    expect(logged).toEqual([]);
    away = false;
    for (let round = 0; round < 6; round += 1) {
      await expect(read(await exports.begin(ANNA, NOBODY_ELSE))).rejects.toThrow("away");
    }
    expect(logged).toHaveLength(6);
    expect(logged[0]).toBe("export aborted FAULT");
  });
});

test("without consent to analysis there is nothing to look for, and no store is needed", async () => {
  const tag = subject("ben");
  await store().ledger.bind(tag, device("lamp"));
  await store().ledger.give(tag, { ...CONSENT, purposes: { scene: ["status"] } });
  const rows = { check: () => Promise.reject(new Error("away")), rows: async function* () {} };
  const items = await read(await exportsWith({ rows }).begin(tag, NOBODY_ELSE));
  expect(items.map(({ kind }) => kind)).toEqual(["export", "consent-record", "device"]);
});

test("a device is named as the caller calls it, and by its place among those asked for", async () => {
  await store().ledger.bind(ANNA, device("lamp"));
  const labels = new Map<DeviceKey, string>([[HUB, "Hall"]]);
  const items = await read(await exportsWith().begin(ANNA, { ...NOBODY_ELSE, asked: [device("lamp"), HUB], labels }));
  expect(items.filter(({ kind }) => kind === "device")).toEqual([
    { kind: "device", device: HUB, bound: true, asked: 1, label: "Hall" },
    { kind: "device", device: device("lamp"), bound: true, asked: 0 },
  ]);
});
