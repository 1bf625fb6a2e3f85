/** What becomes of each message of a batch behind the queue, and in which order things happen to it. */
import { describe, expect, it } from "vitest";
import { allOf, type CheckConsent, type Verdict } from "../model/consent.ts";
import type { Deidentified } from "../model/deidentified.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { RawMessage } from "../model/raw.ts";
import { type Lease, Pipeline, type PipelinePorts } from "./pipeline.ts";

const STATUS = 8;
const granted: Verdict = { grants: allOf(["analytics", "scene"]), wrappedSubjectKey: "key" };
const never = new AbortController().signal;

const message = (device: string): RawMessage => ({
  device: { deviceKey: device as DeviceKey, subjectTag: `tag-${device}` as SubjectTag },
  at: 1,
  sub: 2,
  telemetry: { status: { on: true } },
  carried: STATUS,
});

const analytics = (device: string): Deidentified => ({
  analytics: { device: `a-${device}` as Pseudonym, timestampNs: "1", status: { on: true } },
});
const scene = (device: string): Deidentified => ({
  scene: { device: `s-${device}` as Pseudonym, status: { on: true }, at: 1 },
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

function setUp(ports: Partial<PipelinePorts> = {}) {
  const books: Record<string, number> = {};
  const count = (name: string, many: number): void => {
    if (many > 0) books[name] = (books[name] ?? 0) + many;
  };
  const happened: string[] = [];
  const pipeline = new Pipeline({
    acquireLease: async () => {
      happened.push("leased");
      return {
        signal: never,
        over: false,
        release: async () => void happened.push("released"),
        keep: async () => undefined,
        abandon: () => undefined,
      };
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
    askStore: async () => undefined,
    removeStored: async () => true,
    inDoubtGraceMs: 1,
    stored: () => undefined,
    announce: async (batch) => {
      happened.push(`announced ${batch.length}`);
      return () => {
        happened.push(`forwarded ${batch.length}`);
        return batch.map(() => true);
      };
    },
    left: () => undefined,
    addressable: () => undefined,
    deadLetter: async (reason, messages) => void happened.push(`set aside ${messages.length} ${reason}`),
    breaker: { waitMs: () => 0, passed: () => undefined, failed: () => undefined },
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

  it("asks once for each device, however many messages it has", async () => {
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

  it("ends each message in exactly one place", async () => {
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
    expect(happened.filter((step) => step.startsWith("set aside"))).toEqual([
      "set aside 1 sink-rejected",
      "set aside 1 pipeline-fault",
    ]);
  });

  it("makes nothing for a purpose that nobody wants", async () => {
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

  it("that has something for services in some messages only announces those", async () => {
    const { pipeline, books, happened } = setUp({
      deidentify: ({ device: { deviceKey } }) => ({
        ...analytics(deviceKey),
        ...(deviceKey === "heard" && scene(deviceKey)),
      }),
    });
    await pipeline.process(["one", "heard", "two"].map(message), never);
    expect([happened[3], happened[4], books.stored]).toEqual(["announced 1", "forwarded 1", 3]);
  });

  it("that could not be stored asks for consent anew before it tries again", async () => {
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

  it("whose lease ended is not forwarded, and comes again", async () => {
    const leases = [AbortSignal.abort(), never];
    const { pipeline, books, happened } = setUp({
      acquireLease: async () => leaseUntil(leases.shift() ?? never),
    });
    await pipeline.process([message("one")], never);
    expect(happened.filter((step) => step === "forwarded 1")).toHaveLength(1);
    expect(books).toEqual({ stored: 1 });
  });

  it("keeps its lease until what was forwarded has left the process, and holds up nobody meanwhile", async () => {
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

  it("that breaks off while it is handed over keeps its lease until what was handed over before has left", async () => {
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

  it("that the store answered after the lease is in doubt: it is asked for again, and nothing of it forwarded", async () => {
    const stalled = new AbortController();
    const leases = [stalled.signal, never];
    const verdicts: Verdict[] = [granted, { refusal: "consent-withdrawn", wrappedSubjectKey: "key" }];
    const removed: unknown[] = [];
    const { pipeline, happened, books } = setUp({
      acquireLease: async () => leaseUntil(leases.shift() ?? never),
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

  it("goes to nobody before the account says to whom, and waits while it can't be written", async () => {
    let failures = 2;
    const announced: unknown[] = [];
    const { pipeline, books, happened } = setUp({
      checkConsent: async (devices) => devices.map(() => ({ ...granted, revision: 3 })),
      announce: async (batch) => {
        announced.push(...batch.map(({ subject, revision }) => [subject, revision]));
        if (failures-- > 0) throw new GatewayError("CONSENT_UNREACHABLE", "TIMEOUT");
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

  it("whose lease ended while it was put on the account is not forwarded", async () => {
    const lease = new AbortController();
    const leases = [lease.signal, never];
    const { pipeline, happened } = setUp({
      acquireLease: async () => leaseUntil(leases.shift() ?? never),
      announce: async (batch) => {
        lease.abort();
        return () => batch.map(() => happened.push("forwarded") > 0);
      },
    });
    await pipeline.process([message("one")], never);
    expect(happened.filter((step) => step === "forwarded")).toHaveLength(1);
    expect(leases).toEqual([]);
  });

  it("gives up waiting when it is told to stop", async () => {
    const stop = new AbortController();
    const { pipeline } = setUp({ breaker: { waitMs: () => 60_000, passed: () => undefined, failed: () => undefined } });
    const processed = pipeline.process([message("one")], stop.signal);
    expect(pipeline.waiting).toBe(true);
    stop.abort();
    await expect(processed).rejects.toThrow();
    expect(pipeline.waiting).toBe(false);
  });
});

describe("batches side by side", () => {
  it("are forwarded in the order they began, whichever is stored first", async () => {
    const storing: (() => void)[] = [];
    const forwarded: string[] = [];
    const { pipeline } = setUp({
      store: () => new Promise((resolve) => storing.push(() => resolve({ rejected: [] }))),
      announce: async (batch) => () => {
        for (const { result } of batch) forwarded.push(result.analytics?.device ?? "");
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
    expect(forwarded).toEqual(["a-first", "a-second"]);
  });
});
