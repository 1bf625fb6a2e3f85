/** One step of the place writer, with a store that does not always answer and people who change their minds meanwhile. */
import { latLngToCell } from "h3-js";
import { describe, expect, it } from "vitest";
import { allOf, type Verdict } from "../model/consent.ts";
import type { PlaceRow } from "../model/deidentified.ts";
import { GatewayError } from "../model/errors.ts";
import type { CellId, DeviceKey, DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { Lease } from "../model/lease.ts";
import type { PlaceRecord } from "../model/place.ts";
import { fieldOf, type SealedRecord } from "../platform/sealed-records.ts";
import type { StepTurn } from "../platform/step-turns.ts";
import { DAY_MS, type PlaceReplacement } from "./record.ts";
import { PlacesUnderWay, type Sent } from "./under-way.ts";
import { PlaceWriter } from "./writer.ts";

const STEP_MS = 900_000;
const NOW = 20_650 * DAY_MS + 12 * 3_600_000;
const HERE = latLngToCell(12.9716, 77.5946, 6) as CellId;
const never = new AbortController().signal;
const granted: Verdict = { grants: allOf(["analytics"]), wrappedSubjectKey: "key" };
const withdrawn: Verdict = { refusal: "consent-withdrawn", wrappedSubjectKey: "key" };
const inDoubt = () => new GatewayError("SINK_UNAVAILABLE", "no answer", { inDoubt: true });
const nameOf = (device: string) => `p-${device}` as Pseudonym;

/** Everything around the writer; what it does is recorded in order. */
class Outside {
  readonly records = new Map<string, PlaceRecord>();
  readonly stored = new Map<string, string>();
  readonly did: string[] = [];
  readonly underWay = new Map<string, string>();
  readonly held = new Set<string>();
  readonly verdicts = new Map<string, Verdict>();
  /** Called before the write; what it throws, the write throws. */
  beforeWrite: (rows: readonly PlaceRow[]) => void = () => undefined;
  /** Called when consent is asked for the second time, under the lease. */
  asked: (() => void) | undefined;
  ask: () => void = () => undefined;
  /** Consent has been given again since: what was admitted under an earlier state of the ledger stays withdrawn. */
  since = 0;
  over = false;
  waiting = 0;
  #leases = 0;

  constructor(people: number) {
    for (let n = 0; n < people; n += 1) this.see(`d${n}`, HERE);
  }

  see(device: string, cell: CellId, more: Partial<PlaceRecord> = {}): void {
    const at = NOW - STEP_MS - 1;
    this.records.set(device, { cell, at, since: at, revision: 1, ...more });
  }

  #lease(): Lease {
    this.#leases += 1;
    const id = this.#leases;
    const outside = this;
    return {
      signal: never,
      get over() {
        return outside.over;
      },
      release: async () => void this.did.push(`release ${id}`),
      keep: async (concerned) => void this.did.push(`keep ${id} ${concerned.size}`),
      abandon: () => this.did.push(`abandon ${id}`),
    };
  }

  writer(leastSubjects = 5): PlaceWriter {
    const checkConsent = async (devices: readonly DeviceRef[]) =>
      devices.map(({ deviceKey, revision }) => {
        if (revision !== undefined) this.asked?.();
        if (revision !== undefined && revision < this.since) return withdrawn;
        return this.verdicts.get(deviceKey) ?? granted;
      });
    const leases = { acquire: async () => this.#lease() };
    const placeName = (_: string, device: DeviceKey) => nameOf(device);
    const removePlaces = async (places: readonly { device: string }[]) => {
      this.did.push(`remove ${places.length}`);
      for (const { device } of places) this.stored.delete(device);
      return true;
    };
    const redis = {
      hset: async (_: string, ...fields: string[]) => {
        for (let at = 0; at < fields.length; at += 2) this.underWay.set(fields[at] ?? "", fields[at + 1] ?? "");
      },
      hdel: async (_: string, ...fields: string[]) => {
        for (const field of fields) this.underWay.delete(field);
      },
      hgetall: async () => Object.fromEntries(this.underWay),
    };
    const underWay = new PlacesUnderWay(
      redis as never,
      { placesUnderWay: "under-way" },
      {
        checkConsent,
        leases,
        placeName,
        removePlaces,
        records: this.#store(),
        askStore: async () => {
          this.did.push("ask");
          this.ask();
        },
        inDoubtGraceMs: 7,
        pause: async (ms) => void this.did.push(`pause ${ms}`),
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      },
    );
    return new PlaceWriter(
      { stepMs: STEP_MS, epochMs: 7 * DAY_MS, leastSubjects, keepMs: 30 * DAY_MS, laterKey: Buffer.alloc(32) },
      {
        records: this.#store(),
        underWay,
        checkConsent,
        held:
          async () =>
          ({ deviceKey }) =>
            this.held.has(deviceKey),
        leases,
        placeName,
        removePlaces,
        write: async (rows) => {
          this.did.push(`write ${rows.length}`);
          for (const row of rows) this.stored.set(row.device, row.cell);
          this.beforeWrite(rows);
          return { rejected: [] };
        },
        metrics: {
          placesWritten: () => undefined,
          placesRemoved: () => undefined,
          placesWaiting: (count) => {
            this.waiting = count;
          },
        },
      },
    );
  }

  #store() {
    const refOf = (device: string): DeviceRef => ({
      deviceKey: device as DeviceKey,
      subjectTag: `s-${device}` as SubjectTag,
    });
    const records = this.records;
    return {
      async *all(): AsyncGenerator<readonly SealedRecord[]> {
        yield [...records.keys()].map((device) => ({
          device: refOf(device),
          sealed: JSON.stringify(records.get(device)),
        }));
      },
      open: ({ sealed }: SealedRecord): PlaceRecord => JSON.parse(sealed) as PlaceRecord,
      read: async (devices: readonly DeviceRef[]) =>
        devices.map(({ deviceKey }) => {
          const record = records.get(deviceKey);
          return record === undefined ? "" : JSON.stringify(record);
        }),
      replace: async (replacements: readonly PlaceReplacement[]) =>
        replacements.map(({ device: { deviceKey }, was, record }) => {
          if (JSON.stringify(records.get(deviceKey)) !== was) return false;
          if (record === undefined) records.delete(deviceKey);
          else records.set(deviceKey, record.content);
          return true;
        }),
    };
  }
}

const turn = (now = NOW): StepTurn => ({ number: Math.floor(now / STEP_MS), now, goOn: async () => true });

describe("a step", () => {
  it("writes what may be told, in one request, and notes it; the next one has nothing to do", async () => {
    const outside = new Outside(5);
    const writer = outside.writer();
    expect(await writer.step(turn(), never)).toBe(true);
    expect(outside.did).toEqual(["write 5", "release 1"]);
    expect(new Set(outside.stored.values())).toEqual(new Set([HERE]));
    expect(outside.underWay.size).toBe(0);
    await writer.step(turn(NOW + STEP_MS), never);
    expect(outside.did).toHaveLength(2);
  });

  it("writes nothing where too few are, and says that they wait", async () => {
    const outside = new Outside(4);
    await outside.writer().step(turn(), never);
    expect([outside.did, outside.waiting]).toEqual([[], 4]);
  });

  it("writes in another order each time", async () => {
    const orders = new Set<string>();
    for (let time = 0; time < 8; time += 1) {
      const outside = new Outside(20);
      await outside.writer().step(turn(), never);
      orders.add([...outside.stored.keys()].join());
    }
    expect(orders.size).toBe(8);
  });

  it("forgets what no one consents to, leaves what is held, and counts neither among the people", async () => {
    const outside = new Outside(7);
    outside.verdicts.set("d0", withdrawn);
    outside.verdicts.set("d1", { refusal: "legal-hold", wrappedSubjectKey: "key" });
    outside.held.add("d1");
    outside.verdicts.set("d2", { grants: 0, wrappedSubjectKey: "key" });
    await outside.writer().step(turn(), never);
    expect([...outside.records.keys()]).toEqual(["d1", "d3", "d4", "d5", "d6"]);
    expect(outside.did).toEqual([]);
  });

  it("asks again under its lease: who took consent back since is not written", async () => {
    const outside = new Outside(6);
    outside.asked = () => void outside.verdicts.set("d0", withdrawn);
    await outside.writer().step(turn(), never);
    expect(outside.stored.has(nameOf("d0"))).toBe(false);
    expect(outside.stored.size).toBe(5);
  });

  it("forgets a place that is older than such rows are kept", async () => {
    const outside = new Outside(0);
    outside.see("old", HERE, { at: Math.min(NOW, Date.now()) - 31 * DAY_MS });
    await outside.writer().step(turn(), never);
    expect(outside.records.size).toBe(0);
  });

  it("under a clock that is a month ahead forgets and tells nothing, and goes on when the clock is right again", async () => {
    const outside = new Outside(5);
    for (const [device, record] of outside.records) {
      const recently = Date.now() - 1_000;
      outside.records.set(device, { ...record, at: recently, since: recently });
    }
    const writer = outside.writer();
    await writer.step(turn(Date.now() + 40 * DAY_MS), never);
    expect([outside.records.size, outside.did]).toEqual([5, []]);
    await writer.step(turn(Date.now() + 2 * STEP_MS), never);
    expect(outside.did).toEqual(["write 5", "release 1"]);
  });

  it("ends as soon as another gateway has its turn, and is not carried out then", async () => {
    const outside = new Outside(5);
    expect(await outside.writer().step({ ...turn(), goOn: async () => false }, never)).toBe(false);
    expect(outside.did).toEqual([]);
  });
});

describe("a write that is not answered", () => {
  it("keeps its lease until the store has answered and the grace is over, and takes out what is uncovered", async () => {
    const outside = new Outside(5);
    outside.beforeWrite = () => {
      outside.verdicts.set("d3", withdrawn);
      throw inDoubt();
    };
    const writer = outside.writer();
    await expect(writer.step(turn(), never)).rejects.toMatchObject({ inDoubt: true });
    expect(outside.did).toEqual(["write 5", "keep 1 10", "ask", "pause 7", "remove 1", "release 1", "release 1"]);
    expect(outside.stored.has(nameOf("d3"))).toBe(false);
    expect([outside.records.has("d3"), outside.underWay.size]).toEqual([false, 0]);
  });

  it("is left to the next writer when the process stops before: its lease runs out, and it stays open", async () => {
    const outside = new Outside(5);
    const stop = new AbortController();
    outside.beforeWrite = () => {
      stop.abort();
      throw inDoubt();
    };
    outside.ask = () => {
      throw new GatewayError("SINK_UNAVAILABLE", "no answer");
    };
    await expect(outside.writer().step(turn(), stop.signal)).rejects.toThrow();
    expect(outside.did).toEqual(["write 5", "keep 1 10", "ask", "abandon 1"]);
    expect(outside.underWay.size).toBe(5);
  });

  it("is what a write counts as that was answered when its lease was over", async () => {
    const outside = new Outside(5);
    outside.beforeWrite = () => {
      outside.over = true;
    };
    await expect(outside.writer().step(turn(), never)).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(outside.did).toContain("keep 1 10");
  });

  it("is not one that never left: no withdrawal waits for that", async () => {
    const outside = new Outside(5);
    outside.beforeWrite = () => {
      throw new GatewayError("SINK_UNAVAILABLE", "no connection");
    };
    await expect(outside.writer().step(turn(), never)).rejects.toThrow();
    expect([outside.did, outside.underWay.size]).toEqual([["write 5", "release 1"], 0]);
  });
});

describe("a writer that was killed between two rows", () => {
  it("is followed by one that first takes out what consent no longer covers, and then writes the rest", async () => {
    const outside = new Outside(6);
    const sent: Sent[] = ["d0", "d1"].map((device) => ({
      device: { deviceKey: device as DeviceKey, subjectTag: `s-${device}` as SubjectTag, revision: 1 },
      epochStart: 0,
    }));
    for (const { device, epochStart } of sent) outside.underWay.set(fieldOf(device), `${epochStart} 1`);
    outside.stored.set(nameOf("d0"), HERE);
    outside.verdicts.set("d0", withdrawn);
    await outside.writer().step(turn(), never);
    expect(outside.did).toEqual(["keep 1 4", "ask", "pause 7", "remove 1", "release 1", "write 5", "release 2"]);
    expect([...outside.stored.keys()].sort()).toEqual(["d1", "d2", "d3", "d4", "d5"].map(nameOf));
    expect(outside.underWay.size).toBe(0);
  });

  it("takes them out as well when consent was given again meanwhile: it does not reach back", async () => {
    const outside = new Outside(0);
    for (let n = 0; n < 5; n += 1) outside.see(`d${n}`, HERE, { revision: 2 });
    const told = { cell: HERE, as: HERE, epochStart: 0, writtenAt: NOW, revision: 1 };
    outside.see("d0", HERE, { revision: 2, told });
    outside.since = 2;
    outside.underWay.set("s-d0:d0", "0 1");
    outside.stored.set(nameOf("d0"), "a former place" as CellId);
    await outside.writer().step(turn(), never);
    expect(outside.did.slice(0, 5)).toEqual(["keep 1 2", "ask", "pause 7", "remove 1", "release 1"]);
    // The place that was seen after the new consent is stored in its step.
    expect(outside.stored.get(nameOf("d0"))).toBe(HERE);
  });
});
