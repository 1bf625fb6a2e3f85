/** One step of the teller, with people who change their minds meanwhile, services that go, and leases that end. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { allOf, grantsOf, type Verdict } from "../model/consent.ts";
import type { Outgoing } from "../model/disclosure.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { NetworkNote } from "../model/network.ts";
import type { Replacement, SealedRecord } from "../platform/sealed-records.ts";
import type { StepTurn } from "../platform/step-turns.ts";
import { NETWORK_COVERAGE } from "./coverage.ts";
import { NetworkTeller } from "./teller.ts";

const STEP_MS = 5 * MINUTE_MS;
const EPOCH_MS = 7 * DAY_MS;
const NOW = 2_957 * EPOCH_MS + DAY_MS + 12 * HOUR_MS;
const PREFIX = "203.0.0.0/16";
const never = new AbortController().signal;
const granted: Verdict = { grants: allOf(["network"]), wrappedSubjectKey: "key", revision: 3 };
const prefixOnly: Verdict = { ...granted, grants: grantsOf({ network: ["ip"] }) };
const withdrawn: Verdict = { refusal: "consent-withdrawn", wrappedSubjectKey: "key" };
const held: Verdict = { refusal: "legal-hold", wrappedSubjectKey: "key" };

/** Everything around the teller; Redis is a map of texts. */
class Outside {
  readonly records = new Map<string, string>();
  readonly told: Outgoing[] = [];
  readonly verdicts = new Map<string, Verdict>();
  readonly did: string[] = [];
  /** Called when consent is asked under the lease. */
  asked: () => void = () => undefined;
  /** What was admitted under an earlier state of the ledger stays withdrawn. */
  readonly since = new Map<string, number>();
  listening = true;
  hears = true;
  over = false;
  account: () => void = () => undefined;
  /** Between what was read and what is written. */
  between: (() => void) | undefined;
  waiting = 0;
  readonly addressable = new Map<string, DeviceRef>();

  note(device: string, more: Partial<NetworkNote> = {}): void {
    const at = NOW - 3 * HOUR_MS;
    const value = (text: string) => ({ text, at, revision: 1 });
    const note: NetworkNote = { model: value("hub"), ipPrefix: value(PREFIX), since: at, told: undefined, ...more };
    this.records.set(device, JSON.stringify(note));
  }

  noted(device: string): NetworkNote | undefined {
    const text = this.records.get(device);
    return text === undefined ? undefined : (JSON.parse(text) as NetworkNote);
  }

  checkConsent = async (devices: readonly DeviceRef[]): Promise<Verdict[]> =>
    devices.map(({ deviceKey, revision }) => {
      if (revision !== undefined) this.asked();
      if (revision !== undefined && revision < (this.since.get(deviceKey) ?? 0)) return withdrawn;
      return this.verdicts.get(deviceKey) ?? granted;
    });

  get store() {
    const refOf = (device: string): DeviceRef => ({
      deviceKey: device as DeviceKey,
      subjectTag: `s-${device}` as SubjectTag,
    });
    const { records } = this;
    return {
      async *all(): AsyncGenerator<readonly SealedRecord[]> {
        yield [...records].map(([device, sealed]) => ({ device: refOf(device), sealed }));
      },
      open: ({ sealed }: SealedRecord): NetworkNote => JSON.parse(sealed) as NetworkNote,
      read: async (devices: readonly DeviceRef[]) => devices.map(({ deviceKey }) => records.get(deviceKey) ?? ""),
      replace: async (replacements: readonly Replacement<NetworkNote>[]) => {
        this.between?.();
        this.between = undefined;
        return replacements.map(({ device: { deviceKey }, was, record }) => {
          if ((records.get(deviceKey) ?? "") !== was) return false;
          if (record === undefined) records.delete(deviceKey);
          else records.set(deviceKey, JSON.stringify(record.content));
          return true;
        });
      },
    };
  }

  teller(): NetworkTeller {
    const outside = this;
    return new NetworkTeller(
      { stepMs: STEP_MS, roundMs: HOUR_MS, epochMs: EPOCH_MS, minuteKey: Buffer.alloc(32, 5) },
      {
        records: this.store,
        checkConsent: this.checkConsent,
        held:
          async () =>
          ({ deviceKey }) =>
            this.verdicts.get(deviceKey) === held,
        leases: {
          acquire: async () => ({
            signal: never,
            get over() {
              return outside.over;
            },
            release: async () => void this.did.push("released"),
            keep: async () => undefined,
            abandon: () => undefined,
          }),
        },
        nameOf: (_, device, epoch) => `${device} in ${epoch}` as Pseudonym,
        delivery: {
          announce: async (batch) => {
            this.account();
            return () => {
              if (this.hears) this.told.push(...batch);
              return batch.map(() => this.hears);
            };
          },
          left: () => Promise.resolve().then(() => void this.did.push("left")),
          listening: () => this.listening,
        },
        addressable: { remember: (name, device) => void this.addressable.set(name, device) },
        waiting: (count) => {
          this.waiting = count;
        },
      },
    );
  }

  /** Of everything told, by the device. */
  get devices(): string[] {
    return this.told.map(({ result }) => result.network?.device.split(" ")[0] ?? "").sort();
  }
}

const turn = (now = NOW): StepTurn => ({ number: Math.floor(now / STEP_MS), now, goOn: async () => true });

describe("a step", () => {
  it("tells each name once in an hour, by the contract, with the time of the step and under the name of the epoch", async () => {
    const outside = new Outside();
    const devices = Array.from({ length: 40 }, (_, n) => `d${n}`);
    for (const device of devices) outside.note(device, { since: NOW });
    const teller = outside.teller();
    const perStep: number[] = [];
    for (let step = 1; step <= 12; step += 1) {
      const before = outside.told.length;
      expect(await teller.step(turn(NOW + step * STEP_MS), never)).toBe(true);
      perStep.push(outside.told.length - before);
    }
    expect(outside.devices).toEqual([...devices].sort());
    expect(Math.max(...perStep)).toBeLessThan(20);
    for (const { subject, revision, result } of outside.told) {
      const { device, model, ipPrefix, at } = result.network ?? {};
      expect(device).toBe(`${subject.slice(2)} in 2957`);
      expect([model, ipPrefix, revision]).toEqual(["hub", PREFIX, 3]);
      expect(Number(at) % STEP_MS).toBe(0);
    }
    expect(outside.told.map(({ subject }) => subject)).not.toEqual(devices.map((device) => `s-${device}`));
  });

  it("makes a name that was told one that can be answered, and no other", async () => {
    const outside = new Outside();
    outside.note("one");
    outside.note("two");
    outside.verdicts.set("two", withdrawn);
    await outside.teller().step(turn(), never);
    expect([...outside.addressable]).toEqual([["one in 2957", { deviceKey: "one", subjectTag: "s-one" }]]);
    const deaf = new Outside();
    deaf.note("one");
    deaf.hears = false;
    await deaf.teller().step(turn(), never);
    expect(deaf.addressable.size).toBe(0);
  });

  it("goes on until everything has left the process, and only then ends its lease", async () => {
    const outside = new Outside();
    outside.note("one");
    await outside.teller().step(turn(), never);
    expect([outside.devices, outside.did]).toEqual([["one"], ["left", "released"]]);
    await outside.teller().step(turn(), never);
    expect(outside.did).toHaveLength(2);
  });

  it("of two gateways that both believe to have the turn tells once", async () => {
    const outside = new Outside();
    for (const device of ["one", "two"]) outside.note(device);
    await Promise.all([outside.teller().step(turn(), never), outside.teller().step(turn(), never)]);
    expect(outside.devices).toEqual(["one", "two"]);
  });

  it("leaves what a message has changed meanwhile for the next one", async () => {
    const outside = new Outside();
    for (const device of ["one", "two"]) outside.note(device);
    outside.between = () => outside.note("two", { since: NOW });
    await outside.teller().step(turn(), never);
    expect(outside.devices).toEqual(["one"]);
    expect(outside.noted("two")?.told).toBeUndefined();
  });

  it("ends with its epoch: what is left is told under the next name", async () => {
    const outside = new Outside();
    outside.note("one");
    const late = 2_958 * EPOCH_MS - 1;
    outside.note("one", { ipPrefix: { text: PREFIX, at: late, revision: 1 } });
    const slow: StepTurn = {
      ...turn(late),
      goOn: () => new Promise((resolve) => setTimeout(() => resolve(true), 5)),
    };
    await outside.teller().step(slow, never);
    expect(outside.told).toEqual([]);
  });
});

describe("consent", () => {
  it("that is taken back between the two times it is asked lets nothing out, and takes the record away", async () => {
    const outside = new Outside();
    outside.note("one");
    outside.asked = () => void outside.verdicts.set("one", withdrawn);
    await outside.teller().step(turn(), never);
    expect([outside.told, outside.records.size]).toEqual([[], 0]);
  });

  it("given again does not reach back to what was admitted before", async () => {
    const outside = new Outside();
    const at = NOW - HOUR_MS;
    outside.note("one", { ipPrefix: { text: PREFIX, at, revision: 6 } });
    outside.since.set("one", 5);
    await outside.teller().step(turn(), never);
    expect(outside.told[0]?.result.network).toEqual({ device: "one in 2957", ipPrefix: PREFIX, at: NOW });
    expect(outside.noted("one")?.model).toBeUndefined();
  });

  it("to one part lets out that part alone", async () => {
    const outside = new Outside();
    outside.note("one");
    outside.verdicts.set("one", prefixOnly);
    await outside.teller().step(turn(), never);
    expect(outside.told[0]?.result.network).toEqual({ device: "one in 2957", ipPrefix: PREFIX, at: NOW });
  });

  it("frozen by a hold leaves the record as it is", async () => {
    for (const when of ["before", "meanwhile"]) {
      const outside = new Outside();
      outside.note("one");
      const before = outside.records.get("one");
      if (when === "before") outside.verdicts.set("one", held);
      outside.asked = () => void outside.verdicts.set("one", held);
      await outside.teller().step(turn(), never);
      expect([outside.told, outside.records.get("one")]).toEqual([[], before]);
    }
  });

  it("that is withdrawn in part takes that part out of the record at once", async () => {
    const outside = new Outside();
    for (const device of ["all", "part", "none"]) outside.note(device);
    outside.verdicts.set("part", prefixOnly).set("none", withdrawn);
    const noted = [...outside.records].map(([device, sealed]) => ({
      device: { deviceKey: device as DeviceKey, subjectTag: `s-${device}` as SubjectTag },
      sealed,
    }));
    const less = await NETWORK_COVERAGE.uncovered(noted, {
      records: outside.store,
      checkConsent: outside.checkConsent,
    });
    await outside.store.replace(less);
    expect([...outside.records.keys()]).toEqual(["all", "part"]);
    expect([outside.noted("part")?.model, outside.noted("part")?.ipPrefix?.text]).toEqual([undefined, PREFIX]);
    expect(outside.noted("all")?.model?.text).toBe("hub");
  });
});

describe("what could not be told", () => {
  const unwritable = () => {
    throw new GatewayError("REDIS_UNAVAILABLE");
  };
  const faults: [string, Partial<Outside>][] = [
    ["because the lease ended", { over: true }],
    ["because the account could not be written", { account: unwritable }],
  ];

  it.each(faults)("%s is told when the step is begun again", async (_, fault) => {
    const outside = new Outside();
    outside.note("one");
    const before = outside.noted("one");
    Object.assign(outside, fault);
    await expect(outside.teller().step(turn(), never)).rejects.toThrow(GatewayError);
    expect([outside.told, outside.noted("one"), outside.did.at(-1)]).toEqual([[], before, "released"]);
    outside.over = false;
    outside.account = () => undefined;
    expect(await outside.teller().step(turn(), never)).toBe(true);
    expect(outside.devices).toEqual(["one"]);
  });

  it("because the service went waits for one, and is not waited for by one that listens to other names", async () => {
    const outside = new Outside();
    outside.note("one");
    outside.hears = false;
    outside.account = () => {
      outside.listening = false;
    };
    await outside.teller().step(turn(), never);
    expect(outside.noted("one")?.told).toBeUndefined();
    outside.listening = true;
    outside.account = () => undefined;
    await outside.teller().step(turn(), never);
    expect(outside.noted("one")?.told).toMatchObject({ at: NOW });
  });

  it("counts as waiting", async () => {
    const outside = new Outside();
    outside.note("new", { since: NOW - 1 });
    outside.note("told", {
      told: { model: "hub", ipPrefix: PREFIX, epochStart: 2_957 * EPOCH_MS, at: NOW, changedAt: 0 },
    });
    await outside.teller().step(turn(), never);
    expect(outside.waiting).toBe(1);
  });
});

describe("what no one says any more", () => {
  afterEach(() => vi.useRealTimers());

  it("is forgotten, also where no service listens", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: NOW });
    const outside = new Outside();
    const old = { text: "hub", at: NOW - (NOW % DAY_MS) - DAY_MS - 1, revision: 1 };
    outside.note("silent", { model: old, ipPrefix: undefined });
    outside.note("part", { model: old });
    // A clock of Redis that is ahead takes nothing away.
    outside.listening = false;
    await outside.teller().step(turn(NOW + 9 * DAY_MS), never);
    expect([...outside.records.keys()]).toEqual(["part"]);
    outside.listening = true;
    await outside.teller().step(turn(), never);
    expect(outside.told[0]?.result.network).toEqual({ device: "part in 2957", ipPrefix: PREFIX, at: NOW });
    vi.setSystemTime(NOW + 2 * DAY_MS);
    await outside.teller().forgetOld();
    expect(outside.records.size).toBe(0);
  });
});
