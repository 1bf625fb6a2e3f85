/** The outcome of each message of a batch after the queue, and the order of the steps. */
import { describe, expect, it } from "vitest";
import { allOf, type CheckConsent, type Verdict } from "../model/consent.ts";
import type { Deidentified } from "../model/deidentified.ts";
import type { DeviceDelivery } from "../model/delivery.ts";
import { GatewayError } from "../model/errors.ts";
import type { CellId, DeviceKey, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { Lease, LeaseSource } from "../model/lease.ts";
import type { RawMessage } from "../model/raw.ts";
import type { Watch } from "../model/watch.ts";
import { CircuitBreaker } from "../platform/circuit-breaker.ts";
import { Pipeline, type PipelinePorts } from "./pipeline.ts";

const STATUS = 8;
const granted: Verdict = { grants: allOf(["analytics", "scene"]), wrappedSubjectKey: "key" };
const never = new AbortController().signal;

const message = (device: string): RawMessage => ({
  device: { deviceKey: device as DeviceKey, subjectTag: `tag-${device}` as SubjectTag },
  at: 1,
  sub: 2,
  telemetry: { status: { power_on: true } },
  carried: STATUS,
});

const analytics = (device: string): Deidentified => ({
  analytics: { device: `a-${device}` as Pseudonym, timestampNs: "1", status: { power_on: true } },
});
const scene = (device: string): Deidentified => ({
  scene: { device: `s-${device}` as Pseudonym, status: { power_on: true }, at: 1 },
});

const leaseUntil = (signal: AbortSignal): Lease => ({
  signal,
  get over() {
    return signal.aborted;
  },
  release: async () => undefined,
  keep: async () => undefined,
  abandon: () => undefined,
});

type Replaced = Partial<PipelinePorts & LeaseSource & DeviceDelivery>;

/** `acquire` in place of that of the leases; `announce` and `left` of the delivery to scene services. */
function setUp({ acquire, announce, left, ...ports }: Replaced = {}) {
  const books: Record<string, number> = {};
  const count = (name: string, many: number): void => {
    if (many > 0) books[name] = (books[name] ?? 0) + many;
  };
  const happened: string[] = [];
  const pipeline = new Pipeline({
    leases: {
      acquire:
        acquire ??
        (async () => {
          happened.push("leased");
          return {
            signal: never,
            over: false,
            release: async () => void happened.push("released"),
            keep: async () => undefined,
            abandon: () => undefined,
          };
        }),
    },
    checkConsent: async (devices) => {
      happened.push("asked");
      return devices.map(() => granted);
    },
    deidentify: ({ device }) => ({ ...analytics(device.deviceKey), ...scene(device.deviceKey) }),
    wanted: () => 0xffff,
    store: async (records) => {
      happened.push(`stored ${records.map(({ device }) => device).join(" ")}`);
      return { rejected: [] };
    },
    sink: "influx",
    askStore: async () => undefined,
    removeStored: async () => true,
    inDoubtGraceMs: 1,
    notePlaces: async () => undefined,
    noteNetwork: async (said) => said.map(() => true),
    count: async () => undefined,
    gather: async (readings) => readings.map(() => true),
    scene: {
      listening: () => true,
      announce:
        announce ??
        (async (batch) => {
          happened.push(`announced ${batch.length}`);
          return () => {
            happened.push(`forwarded ${batch.length}`);
            return batch.map(() => true);
          };
        }),
      left: left ?? (() => undefined),
    },
    addressable: { remember: () => undefined },
    commands: { causeOf: () => undefined },
    tellsHomes: () => false,
    deadLetter: async (reason, messages) => void happened.push(`dead-lettered ${messages.length} ${reason}`),
    breaker: { state: "closed", enter: () => 0, passed: () => undefined, failed: () => undefined },
    samples: { watching: false, offer: () => undefined },
    books: {
      received: () => undefined,
      admitted: () => undefined,
      recovered: () => undefined,
      refused: (reason, many) => count(reason, many),
      stored: (many) => count("stored", many),
      forwardedOnly: (many) => count("forwarded-only", many),
      deadLettered: (reason, many) => count(reason, many),
    },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...ports,
  });
  return { pipeline, books, happened };
}

describe("a batch", () => {
  it("holds its lease from before the consent check until after the last write", async () => {
    const { pipeline, happened } = setUp();
    await pipeline.process([message("one")], never);
    expect(happened).toEqual(["leased", "asked", "stored a-one", "announced 1", "forwarded 1", "released"]);
  });

  it("checks consent once for each device, however many messages it has", async () => {
    let asked = 0;
    const checkConsent: CheckConsent = async (devices) => {
      asked += devices.length;
      return devices.map(() => granted);
    };
    const { pipeline, books } = setUp({ checkConsent });
    const one = message("one");
    await pipeline.process([one, { ...one, sub: 3 }, message("two")], never);
    expect([asked, books.stored]).toEqual([2, 3]);
  });

  it("gives each message exactly one outcome", async () => {
    const verdicts: Record<string, Verdict> = {
      gone: { refusal: "consent-withdrawn", wrappedSubjectKey: "key" },
      other: { grants: allOf(["network"]), wrappedSubjectKey: "key" },
    };
    const { pipeline, books, happened } = setUp({
      checkConsent: async (devices) => devices.map(({ deviceKey }) => verdicts[deviceKey] ?? granted),
      deidentify: ({ device: { deviceKey } }) => {
        if (deviceKey === "broken") throw new Error("fault");
        return deviceKey.startsWith("scene") ? scene(deviceKey) : analytics(deviceKey);
      },
      store: async (records) => ({ rejected: [records.findIndex(({ device }) => device === "a-odd")] }),
      announce: async (batch) => () => batch.map(({ result }) => result.scene?.device === "s-scene-heard"),
    });
    await pipeline.process(
      ["kept", "odd", "gone", "other", "broken", "scene-heard", "scene-unheard"].map(message),
      never,
    );
    expect(books).toEqual({
      stored: 1,
      "forwarded-only": 1,
      "sink-rejected": 1,
      "pipeline-fault": 1,
      "consent-withdrawn": 1,
      "purpose-denied": 1,
      "no-recipient": 1,
    });
    expect(happened.filter((step) => step.startsWith("dead-lettered"))).toEqual([
      "dead-lettered 1 sink-rejected",
      "dead-lettered 1 pipeline-fault",
    ]);
  });

  it("makes nothing for a purpose without a recipient", async () => {
    const grantsSeen: number[] = [];
    const { pipeline } = setUp({
      wanted: () => allOf(["analytics"]),
      deidentify: ({ device }, grants) => {
        grantsSeen.push(grants);
        return analytics(device.deviceKey);
      },
    });
    await pipeline.process([message("one")], never);
    expect(grantsSeen).toEqual([allOf(["analytics"])]);
  });

  it("announces only the messages that contain something for services", async () => {
    const { pipeline, books, happened } = setUp({
      deidentify: ({ device: { deviceKey } }) => ({
        ...analytics(deviceKey),
        ...(deviceKey === "heard" && scene(deviceKey)),
      }),
    });
    await pipeline.process(["one", "heard", "two"].map(message), never);
    expect([happened[3], happened[4], books.stored]).toEqual(["announced 1", "forwarded 1", 3]);
  });

  it("that could not be stored checks consent again before the retry", async () => {
    let attempts = 0;
    const { pipeline, books, happened } = setUp({
      checkConsent: async (devices) =>
        devices.map(() => (attempts === 0 ? granted : { refusal: "consent-withdrawn", wrappedSubjectKey: "key" })),
      store: async () => {
        attempts += 1;
        throw new GatewayError("SINK_UNAVAILABLE", "refused connection");
      },
    });
    await pipeline.process([message("one")], never);
    expect([attempts, books]).toEqual([1, { "consent-withdrawn": 1 }]);
    expect(happened.filter((step) => step === "released")).toHaveLength(2);
  });

  it("whose lease ended is not forwarded, and is retried", async () => {
    const leases = [AbortSignal.abort(), never];
    const { pipeline, books, happened } = setUp({
      acquire: async () => leaseUntil(leases.shift() ?? never),
    });
    await pipeline.process([message("one")], never);
    expect(happened.filter((step) => step === "forwarded 1")).toHaveLength(1);
    expect(books).toEqual({ stored: 1 });
  });

  it("keeps its lease until what was forwarded has left the process, without delaying others", async () => {
    const leaving: (() => void)[] = [];
    const left = () => new Promise<void>((resolve) => leaving.push(resolve));
    const { pipeline, happened, books } = setUp({ left });
    await pipeline.process([message("one")], never);
    await pipeline.process([message("two")], never);
    expect(books).toEqual({ stored: 2 });
    expect(happened).not.toContain("released");
    leaving[1]?.();
    leaving[0]?.();
    await pipeline.left();
    expect(happened.filter((step) => step === "released")).toHaveLength(2);
  });

  it("that fails while it is forwarded keeps its lease until what was forwarded before has left", async () => {
    let gone: () => void = () => undefined;
    const { pipeline, happened } = setUp({
      announce: async () => () => {
        throw new Error("fault");
      },
      left: () => new Promise<void>((resolve) => (gone = resolve)),
    });
    await expect(pipeline.process([message("one")], never)).rejects.toThrow("fault");
    expect(happened).not.toContain("released");
    gone();
    await pipeline.left();
    expect(happened).toContain("released");
  });

  it("that the store answered after the lease is in doubt: it is retried, and nothing of it is forwarded", async () => {
    const stalled = new AbortController();
    const leases = [stalled.signal, never];
    const verdicts: Verdict[] = [granted, { refusal: "consent-withdrawn", wrappedSubjectKey: "key" }];
    const removed: unknown[] = [];
    const { pipeline, happened, books } = setUp({
      acquire: async () => leaseUntil(leases.shift() ?? never),
      checkConsent: async (devices) => {
        const verdict = verdicts.shift() ?? granted;
        return devices.map(() => verdict);
      },
      store: async () => {
        stalled.abort();
        return { rejected: [] };
      },
      removeStored: async (records) => removed.push(...records) > 0,
    });
    await pipeline.process([message("one")], never);
    expect(removed).toHaveLength(1);
    expect(happened.join()).not.toContain("forwarded 1");
    expect(books).toEqual({ "consent-withdrawn": 1 });
  });

  it("goes to no service before the account contains it, and waits while the account cannot be written", async () => {
    let failures = 2;
    const announced: unknown[] = [];
    const { pipeline, books, happened } = setUp({
      checkConsent: async (devices) => devices.map(() => ({ ...granted, revision: 3 })),
      announce: async (batch) => {
        announced.push(...batch.map(({ subject, revision }) => [subject, revision]));
        if (failures-- > 0) throw new GatewayError("REDIS_UNAVAILABLE", "TIMEOUT");
        happened.push("on the account");
        return () => batch.map(() => happened.push("forwarded") > 0);
      },
    });
    await pipeline.process([message("one")], never);
    expect(happened.slice(-4)).toEqual(["stored a-one", "on the account", "forwarded", "released"]);
    expect(happened.filter((step) => step === "released")).toHaveLength(3);
    expect(announced).toEqual([1, 2, 3].map(() => ["tag-one", 3]));
    expect(books).toEqual({ stored: 1 });
  });

  it("whose lease ended while the account was written is not forwarded", async () => {
    const lease = new AbortController();
    const leases = [lease.signal, never];
    const { pipeline, happened } = setUp({
      acquire: async () => leaseUntil(leases.shift() ?? never),
      announce: async (batch) => {
        lease.abort();
        return () => batch.map(() => happened.push("forwarded") > 0);
      },
    });
    await pipeline.process([message("one")], never);
    expect(happened.filter((step) => step === "forwarded")).toHaveLength(1);
    expect(leases).toEqual([]);
  });

  it("whose lease ended before a dead letter could be written writes none under it", async () => {
    const lease = new AbortController();
    const leases = [lease.signal, never];
    const underWhich: boolean[] = [];
    const { pipeline, books } = setUp({
      acquire: async () => leaseUntil(leases.shift() ?? never),
      deidentify: ({ device }) => {
        lease.abort();
        if (device.deviceKey === "odd") throw new Error("odd");
        return scene(device.deviceKey);
      },
      deadLetter: async () => void underWhich.push(leases.length === 0),
    });
    await pipeline.process([message("odd"), message("good")], never);
    // Once, and under the second lease.
    expect(underWhich).toEqual([true]);
    expect(books).toEqual({ "pipeline-fault": 1, "forwarded-only": 1 });
  });

  it("writes its dead letters before anything is forwarded: while there is no room it waits, and goes to no service", async () => {
    let full = 2;
    const { pipeline, books, happened } = setUp({
      store: async () => ({ rejected: [0] }),
      deadLetter: async (reason) => {
        if (full-- > 0) throw new GatewayError("DEAD_LETTERS_FULL", undefined, { retryAfterMs: 1 });
        happened.push(`dead-lettered ${reason}`);
      },
    });
    await pipeline.process([message("odd"), message("good")], never);
    expect(happened.filter((what) => !/leased|asked|released/.test(what))).toEqual([
      "dead-lettered sink-rejected",
      "announced 1",
      "forwarded 1",
    ]);
    expect(books).toEqual({ "sink-rejected": 1, stored: 1 });
  });

  it("has every attempt watched, but not the waiting", async () => {
    const seen: string[] = [];
    let away = 1;
    const { pipeline } = setUp({
      store: async () => {
        if (away-- > 0) throw new GatewayError("SINK_UNAVAILABLE");
        return { rejected: [] };
      },
      breaker: {
        state: "closed",
        enter: () => Math.min(0, -seen.push("waits")),
        passed: () => undefined,
        failed: () => undefined,
      },
    });
    const watch: Watch = async (attempt) => {
      seen.push("begins");
      return attempt().finally(() => seen.push("ends"));
    };
    await pipeline.process([message("one")], never, { watch });
    expect(seen).toEqual(["waits", "begins", "ends", "waits", "begins", "ends"]);
  });

  it("that becomes dead letters as a whole is checked under a lease, and what consent does not cover is refused", async () => {
    const gone: Verdict = { refusal: "consent-withdrawn", wrappedSubjectKey: "key" };
    const { pipeline, books, happened } = setUp({
      checkConsent: async (devices) => {
        happened.push("asked");
        return devices.map(({ deviceKey }) => (deviceKey === "gone" ? gone : granted));
      },
    });
    await pipeline.setAside("poison", [message("gone"), message("kept")], never);
    expect(happened).toEqual(["leased", "asked", "dead-lettered 1 poison", "released"]);
    expect(books).toEqual({ "consent-withdrawn": 1, poison: 1 });
  });

  it("that becomes dead letters as a whole writes none under a lease that ended meanwhile", async () => {
    const lease = new AbortController();
    const leases = [lease.signal, never];
    const underWhich: boolean[] = [];
    const { pipeline, books } = setUp({
      acquire: async () => leaseUntil(leases.shift() ?? never),
      checkConsent: async (devices) => {
        lease.abort();
        return devices.map(() => granted);
      },
      deadLetter: async () => void underWhich.push(leases.length === 0),
    });
    await pipeline.setAside("poison", [message("kept")], never);
    expect(underWhich).toEqual([true]);
    expect(books).toEqual({ poison: 1 });
  });

  it("stops waiting when it is told to stop", async () => {
    const stop = new AbortController();
    const { pipeline } = setUp({
      breaker: { state: "open", enter: () => 60_000, passed: () => undefined, failed: () => undefined },
    });
    const processed = pipeline.process([message("one")], stop.signal);
    expect(pipeline.waiting).toBe(true);
    stop.abort();
    await expect(processed).rejects.toThrow();
    expect(pipeline.waiting).toBe(false);
  });
});

describe("a message that becomes a dead letter", () => {
  const setAside = (deadLetter: PipelinePorts["deadLetter"], ports: Replaced = {}) => {
    const announced: number[] = [];
    let forwarded = 0;
    const run = setUp({
      store: async (records) => ({ rejected: records.flatMap(({ device }, n) => (device === "a-odd" ? [n] : [])) }),
      announce: async (batch) => {
        announced.push(batch.length);
        return () => {
          forwarded += 1;
          return batch.map(() => true);
        };
      },
      deadLetter,
      ...ports,
    });
    return { ...run, announced, forwarded: () => forwarded };
  };

  it("is stored before anything is forwarded, and counted once however often that was tried", async () => {
    let failures = 2;
    const letters: string[] = [];
    const { pipeline, books, forwarded } = setAside(async (reason, messages) => {
      if (failures-- > 0) throw new Error("a fault of Redis, with arguments");
      letters.push(...messages.map(({ device }) => `${device.deviceKey} ${reason}`));
    });
    await pipeline.process([message("odd"), message("one")], never);
    expect([letters, forwarded()]).toEqual([["odd sink-rejected"], 1]);
    expect(books).toEqual({ stored: 1, "sink-rejected": 1 });
  });

  it("remains one while the rest of its batch is retried", async () => {
    const letters: string[] = [];
    let failures = 2;
    const { pipeline, books } = setAside(
      async (_reason, messages) => void letters.push(...messages.map(({ device }) => device.deviceKey)),
      {
        announce: async (batch) => {
          if (failures-- > 0) throw new GatewayError("REDIS_UNAVAILABLE", "test");
          return () => batch.map(() => true);
        },
      },
    );
    await pipeline.process([message("odd"), message("one")], never);
    expect([letters, books]).toEqual([["odd"], { stored: 1, "sink-rejected": 1 }]);
  });
});

describe("a place", () => {
  const cell = "cell" as CellId;
  const placed = (device: string): Deidentified => ({
    analytics: {
      device: `a-${device}` as Pseudonym,
      timestampNs: "1",
    },
    place: { cell, at: 7 },
  });

  it("is counted once for each message, by its subject, before anything is announced", async () => {
    const told: unknown[] = [];
    let failures = 3;
    const { pipeline } = setUp({
      deidentify: ({ device }) => placed(device.deviceKey),
      checkConsent: async (devices) =>
        devices.map(({ deviceKey }) =>
          deviceKey === "gone" && failures === 0 ? { refusal: "consent-withdrawn" as const } : granted,
        ),
      announce: async (batch) => {
        told.push("announced");
        return () => batch.map(() => false);
      },
      store: async (records) => ({ rejected: [records.findIndex(({ device }) => device === "a-odd")] }),
      count: async (seen) => {
        if (failures > 0) {
          failures -= 1;
          throw new GatewayError("REDIS_UNAVAILABLE", "test");
        }
        told.push(...seen);
      },
    });
    await pipeline.process(["one", "two", "gone", "odd"].map(message), never);
    expect(told).toEqual([["tag-one", cell], ["tag-two", cell], "announced"]);
  });
});

describe("a reading for the weather of a crowd", () => {
  const outside = (device: string): Deidentified => ({
    weather: { cell: "8560145bfffffff" as CellId, center: { lat: 1, lon: 2 }, status: { temperature: device.length } },
  });

  it("is kept before the batch is settled, and counts as used for a service when it was taken", async () => {
    const kept: unknown[] = [];
    let failures = 2;
    const { pipeline, books, happened } = setUp({
      deidentify: ({ device }) => ({
        ...outside(device.deviceKey),
        ...(device.deviceKey === "both" && analytics("both")),
      }),
      gather: async (readings) => {
        if (failures-- > 0) throw new GatewayError("REDIS_UNAVAILABLE", "test");
        kept.push(...readings.map(({ device, at, status }) => [device.deviceKey, at, status.temperature]));
        return readings.map(({ device }) => device.deviceKey !== "late");
      },
    });
    await pipeline.process(["one", "both", "late"].map(message), never);
    expect(kept).toEqual([
      ["one", 1, 3],
      ["both", 1, 4],
      ["late", 1, 4],
    ]);
    expect(books).toEqual({ stored: 1, "forwarded-only": 1, "no-recipient": 1 });
    // Nothing of it goes to a service as it is.
    expect(happened).not.toContain("announced 1");
  });
});

describe("noting a place", () => {
  const cell = "cell" as CellId;

  it("is what makes a message stored that tells nothing else, before anything is forwarded", async () => {
    const notedPlaces: unknown[] = [];
    const { pipeline, books, happened } = setUp({
      deidentify: ({ device }) => ({
        analytics: { device: `a-${device.deviceKey}` as Pseudonym, timestampNs: "1" },
        place: { cell, at: 7 },
        ...scene(device.deviceKey),
      }),
      checkConsent: async (devices) => devices.map(() => ({ ...granted, revision: 3 })),
      notePlaces: async (places) => {
        notedPlaces.push(...places);
        happened.push("noted");
      },
    });
    const admitted = { ...message("one"), device: { ...message("one").device, revision: 2 } };
    await pipeline.process([admitted], never);
    expect(notedPlaces).toEqual([{ device: admitted.device, wrappedSubjectKey: "key", revision: 2, cell, at: 7 }]);
    expect(happened).toEqual(["leased", "stored a-one", "noted", "announced 1", "forwarded 1", "released"]);
    expect(books).toEqual({ stored: 1 });
  });

  it("is tried again with the whole batch while Redis does not take it, and nothing is forwarded before", async () => {
    let failures = 2;
    const { pipeline, books, happened } = setUp({
      deidentify: ({ device }) => ({ ...analytics(device.deviceKey), place: { cell, at: 7 } }),
      notePlaces: async () => {
        if (failures-- > 0) throw new GatewayError("REDIS_UNAVAILABLE", "test");
      },
    });
    await pipeline.process([message("one")], never);
    expect(happened.filter((what) => what.startsWith("stored"))).toHaveLength(3);
    expect(happened.filter((what) => what.startsWith("announced"))).toHaveLength(1);
    expect(books).toEqual({ stored: 1 });
  });

  it("does not happen for a message that the store refused", async () => {
    const notedPlaces: unknown[] = [];
    const { pipeline, books } = setUp({
      deidentify: ({ device }) => ({ ...analytics(device.deviceKey), place: { cell, at: 7 } }),
      store: async () => ({ rejected: [0] }),
      notePlaces: async (places) => void notedPlaces.push(...places),
    });
    await pipeline.process([message("odd")], never);
    expect([notedPlaces, books]).toEqual([[], { "sink-rejected": 1 }]);
  });
});

describe("noting for network services", () => {
  const said = { model: "hub", ipPrefix: "203.0.0.0/16" };

  it("is all that a message comes to for them, and what makes one used that tells nothing else", async () => {
    const noted: unknown[] = [];
    const { pipeline, books, happened } = setUp({
      deidentify: () => ({ network: said }),
      checkConsent: async (devices) => devices.map(() => ({ ...granted, revision: 3 })),
      noteNetwork: async (all) => {
        noted.push(...all);
        return all.map(({ device }) => device.deviceKey !== "late");
      },
    });
    const admitted = { ...message("one"), device: { ...message("one").device, revision: 2 } };
    await pipeline.process([admitted, message("late")], never);
    const { device, at } = admitted;
    expect(noted[0]).toEqual({ device, wrappedSubjectKey: "key", revision: 2, said, at });
    expect(happened).toEqual(["leased", "announced 0", "forwarded 0", "released"]);
    expect(books).toEqual({ "forwarded-only": 1, "no-recipient": 1 });
  });

  it("is tried again with the whole batch while Redis does not take it, and a weather that is not taken undoes nothing", async () => {
    let failures = 2;
    const { pipeline, books } = setUp({
      deidentify: () => ({
        network: said,
        weather: { cell: "cell" as CellId, center: { lat: 1, lon: 2 }, status: { temperature: 3 } },
      }),
      noteNetwork: async (all) => {
        if (failures-- > 0) throw new GatewayError("REDIS_UNAVAILABLE", "test");
        return all.map(() => true);
      },
      gather: async (readings) => readings.map(() => false),
    });
    await pipeline.process([message("one")], never);
    expect([failures, books]).toEqual([-1, { "forwarded-only": 1 }]);
  });

  it("does not happen under a lease that is over", async () => {
    let leases = 0;
    const noted: unknown[] = [];
    const { pipeline } = setUp({
      acquire: async () => {
        leases += 1;
        const over = leases === 1;
        const nothing = () => undefined;
        return { signal: never, over, release: async () => undefined, keep: async () => undefined, abandon: nothing };
      },
      deidentify: () => ({ network: said }),
      noteNetwork: async (all) => {
        noted.push(leases);
        return all.map(() => true);
      },
    });
    await pipeline.process([message("one")], never);
    expect(noted).toEqual([2]);
  });
});

describe("subject keys that do not unwrap", () => {
  const closed = (device: string) => {
    throw new GatewayError("SUBJECT_KEY_UNREADABLE", `authentication of ${device}`);
  };

  it("turn their messages into dead letters as long as another key unwraps", async () => {
    const { pipeline, books } = setUp({
      deidentify: ({ device }) => (device.deviceKey === "one" ? analytics(device.deviceKey) : closed(device.deviceKey)),
    });
    await pipeline.process(["a", "one", "b"].map(message), never);
    expect(books).toEqual({ stored: 1, "pipeline-fault": 2 });
    const alone = setUp({ deidentify: ({ device }) => closed(device.deviceKey) });
    await alone.pipeline.process([message("a"), message("a")], never);
    expect(alone.books).toEqual({ "pipeline-fault": 2 });
  });

  it("and are all of a batch wait for the right master key, which is logged for the operator", async () => {
    let wrong = 2;
    const told: string[] = [];
    const { pipeline, books, happened } = setUp({
      checkConsent: async (devices) => {
        wrong -= 1;
        return devices.map(() => granted);
      },
      deidentify: ({ device }) => (wrong >= 0 ? closed(device.deviceKey) : analytics(device.deviceKey)),
      log: {
        info: () => undefined,
        warn: () => undefined,
        error: (event, fields) => void told.push(`${event} ${fields?.code}`),
      },
    });
    await pipeline.process(["a", "b"].map(message), never);
    expect(books).toEqual({ stored: 2 });
    expect(happened.filter((step) => step.startsWith("dead-lettered"))).toEqual([]);
    expect(told).toEqual(["master key unwraps no subject key, batches wait SUBJECT_KEY_UNREADABLE"]);
  });
});

describe("a store that failed", () => {
  const breakerOf = () => new CircuitBreaker({ failures: 1, openMs: 5, maxOpenMs: 5 });

  it("is probed when no batch writes any more", async () => {
    const breaker = breakerOf();
    const verdicts: Verdict[] = [granted, { refusal: "consent-withdrawn", wrappedSubjectKey: "key" }];
    const down = () => new GatewayError("SINK_UNAVAILABLE", "test");
    const answers = [down(), undefined];
    const { pipeline, books } = setUp({
      breaker,
      checkConsent: async (devices) => {
        const verdict = verdicts.length > 1 ? verdicts.shift() : verdicts[0];
        return devices.map(() => verdict ?? granted);
      },
      store: () => Promise.reject(down()),
      askStore: async () => {
        const answer = answers.shift();
        if (answer !== undefined) throw answer;
      },
    });
    await pipeline.process([message("one")], never);
    expect([breaker.state, answers, books]).toEqual(["closed", [], { "consent-withdrawn": 1 }]);
  });

  it("is tried by one batch at a time until it is back", async () => {
    const breaker = breakerOf();
    breaker.failed();
    let underWay = 0;
    let most = 0;
    const { pipeline, books } = setUp({
      breaker,
      store: async () => {
        underWay += 1;
        if (breaker.state !== "closed") most = Math.max(most, underWay);
        await new Promise((resolve) => setTimeout(resolve, 5));
        underWay -= 1;
        return { rejected: [] };
      },
    });
    await Promise.all(["a", "b", "c", "d"].map((one) => pipeline.process([message(one)], never)));
    expect([most, books.stored]).toEqual([1, 4]);
  });

  it("is logged once for each change, and a rejection as a fault that an operator must fix", async () => {
    const told: string[] = [];
    const tell = (level: string) => (event: string, fields?: { readonly code?: string }) =>
      void told.push(`${level}: ${event} ${fields?.code ?? ""}`.trim());
    const codes = ["SINK_UNAVAILABLE", "SINK_DENIED", "SINK_DENIED", "SINK_DENIED", "SINK_UNAVAILABLE"] as const;
    const failures = codes.map((code) => new GatewayError(code, "test"));
    const { pipeline } = setUp({
      breaker: breakerOf(),
      log: { info: tell("info"), warn: tell("warn"), error: tell("error") },
      store: async () => {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        return { rejected: [] };
      },
    });
    await pipeline.process([message("one")], never);
    await pipeline.process([message("two")], never);
    expect(told).toEqual([
      "warn: batch waiting, will be retried SINK_UNAVAILABLE",
      "error: store rejected the credentials, batches wait SINK_DENIED",
      "warn: batch waiting, will be retried SINK_UNAVAILABLE",
      "info: batches are processed again",
    ]);
  });
});

describe("parallel batches", () => {
  it("are forwarded in the order they began, whichever is stored first", async () => {
    const storing: (() => void)[] = [];
    const forwarded: string[] = [];
    const { pipeline } = setUp({
      store: () => new Promise((resolve) => storing.push(() => resolve({ rejected: [] }))),
      announce: async (batch) => () => {
        for (const { result } of batch) forwarded.push(result.scene?.device ?? "");
        return batch.map(() => true);
      },
    });
    const first = pipeline.process([message("first")], never);
    const second = pipeline.process([message("second")], never);
    while (storing.length < 2) await new Promise((resolve) => setImmediate(resolve));
    storing[1]?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(forwarded).toEqual([]);
    storing[0]?.();
    await Promise.all([first, second]);
    expect(forwarded).toEqual(["s-first", "s-second"]);
  });
});
