/** Watching shows the last message of the watcher's own device and what each purpose got, and it ends by itself. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { WatchEnd } from "../model/centre.ts";
import { allOf, grantsOf } from "../model/consent.ts";
import type { CellId, DeviceKey, DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import { carriedBy, type RawTelemetry } from "../model/raw.ts";
import { Samples, type Settled } from "./samples.ts";

const device = { deviceKey: "device" as DeviceKey, subjectTag: "anna" as SubjectTag };
const ALL = allOf(["analytics", "weather", "scene", "network"]);
const NAME = "k3JxT9qLm2Xc7bNfR1wYsA" as Pseudonym;
const telemetry: RawTelemetry = {
  model: "HB-200",
  ip: "203.0.113.7",
  location: { lat: 12.97, lon: 77.59 },
  status: { power_on: true },
};

function settled(more: Partial<Settled> = {}, of: DeviceRef = device, said: RawTelemetry = telemetry): Settled {
  return {
    message: { device: of, at: 5, sub: 0, telemetry: said, carried: carriedBy(said) },
    grants: ALL,
    result: {
      analytics: { device: NAME, timestampNs: "1", model: "hub", status: { power_on: true } },
      weather: { cell: "8460145ffffffff" as CellId, center: { lat: 12.9, lon: 77.5 }, status: { temperature: 20 } },
      network: { ipPrefix: "203.0.0.0/16" },
    },
    stored: true,
    forwarded: true,
    ...more,
  };
}

let samples: Samples;
beforeEach(() => {
  vi.useFakeTimers();
  const bounds = { maxWatchers: 4, maxPerPerson: 3, maxPerSession: 2 };
  samples = new Samples({ ...bounds, maxMs: 10_000, everyMs: 250, confirmEveryMs: 2_000 });
});
afterEach(() => vi.useRealTimers());

let stands: Record<string, boolean | Error>;
beforeEach(() => {
  stands = {};
});

function watch(session = "one", of: Pick<DeviceRef, "deviceKey" | "subjectTag"> = device, forMs = 60_000) {
  const told: { at: number; sent: object; purposes: Record<string, unknown> }[] = [];
  const ends: WatchEnd[] = [];
  const stop = samples.watch({
    device: of,
    session,
    forMs,
    stands: async () => {
      const still = stands[session] ?? true;
      if (still instanceof Error) throw still;
      return still;
    },
    sample: (json) => told.push(JSON.parse(json)),
    ended: (why) => ends.push(why),
  });
  return { told, ends, stop };
}

function offer(more?: Partial<Settled>, of: DeviceRef = device, said?: RawTelemetry): void {
  samples.offer(of, () => settled(more, of, said));
}

describe("a sample", () => {
  it("shows what was sent, and for each purpose what it got or why it got nothing", () => {
    const { told } = watch();
    offer();
    expect(told).toEqual([
      {
        at: 5,
        sent: telemetry,
        purposes: {
          analytics: { given: { name: "k3Jx", model: "hub", status: { power_on: true } } },
          weather: {
            given: { cell: "8460145ffffffff", center: { lat: 12.9, lon: 77.5 }, status: { temperature: 20 } },
          },
          scene: { nothing: "no-scene" },
          network: { given: { ipPrefix: "203.0.0.0/16" } },
        },
      },
    ]);
  });

  it("never contains a whole name that a store or service knows", () => {
    const { told } = watch();
    offer();
    expect(JSON.stringify(told)).not.toContain(NAME);
  });

  it.each([
    ["not-agreed", { grants: grantsOf({ scene: ["status"] }) }, undefined],
    ["not-carried", {}, { model: "HB-200" }],
    ["set-aside", { result: undefined }, undefined],
    ["set-aside", { stored: false }, undefined],
  ] as const)("says %s", (why, more, said) => {
    const { told } = watch();
    offer(more, device, said);
    expect(told[0]?.purposes.analytics).toEqual({ nothing: why });
  });

  it("says that no one was listening only of what would have been told", () => {
    const { told } = watch();
    offer({ result: { scene: { device: NAME, status: { battery: 80 }, at: 0 } }, forwarded: false });
    expect(told[0]?.purposes).toMatchObject({
      scene: { nothing: "nobody-listens" },
      network: { nothing: "nobody-listens" },
    });
  });

  it("is never of a message that was refused", () => {
    const { told } = watch();
    samples.offer(device, () => undefined);
    expect(told).toEqual([]);
  });

  it("is never of another device, nor of the same device under another owner", () => {
    const { told } = watch();
    offer({}, { ...device, deviceKey: "other" as DeviceKey });
    offer({}, { ...device, subjectTag: "bert" as SubjectTag });
    expect(told).toEqual([]);
  });

  it("comes at a readable rate: of many messages only the last", () => {
    const { told } = watch();
    for (let power = 0; power < 50; power += 1) offer({}, device, { status: { power } });
    expect(told).toHaveLength(1);
    vi.advanceTimersByTime(250);
    expect(told.map(({ sent }) => sent)).toEqual([{ status: { power: 0 } }, { status: { power: 49 } }]);
    vi.advanceTimersByTime(10_000);
    expect(told).toHaveLength(2);
  });
});

describe("watching", () => {
  it("costs nothing without a watcher", () => {
    expect(samples.watching).toBe(false);
    const { stop } = watch();
    expect(samples.watching).toBe(true);
    stop?.();
    expect(samples.watching).toBe(false);
    offer();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is limited in total, per person over all sessions, and per session", () => {
    const neighbour = { deviceKey: "other" as DeviceKey, subjectTag: "boris" as SubjectTag };
    const first = watch("one");
    expect(watch("one").stop).toBeDefined();
    expect(watch("one").stop).toBeUndefined();
    expect(watch("two").stop).toBeDefined();
    expect(watch("three").stop).toBeUndefined();
    expect(watch("four", neighbour).stop).toBeDefined();
    first.stop?.();
    expect(watch("three").stop).toBeDefined();
    expect(watch("four", neighbour).stop).toBeUndefined();
  });

  it("ends with the session, and after its longest time in any case", () => {
    const short = watch("one", device, 1_000);
    const long = watch("two", device, 60_000);
    vi.advanceTimersByTime(1_000);
    expect([short.ends, long.ends]).toEqual([["time"], []]);
    vi.advanceTimersByTime(9_000);
    expect(long.ends).toEqual(["time"]);
    expect(samples.watching).toBe(false);
  });

  it.each([
    ["withdrawn", () => samples.endSubject("anna" as SubjectTag)],
    ["unbound", () => samples.endDevice("device" as DeviceKey)],
    ["time", () => samples.endSession("one")],
    ["stopping", () => samples.stop()],
  ] as const)("ends at once: %s", (why, end) => {
    const { told, ends } = watch();
    offer();
    offer();
    end();
    expect(ends).toEqual([why]);
    offer();
    vi.advanceTimersByTime(10_000);
    expect([told.length, ends.length, samples.watching]).toEqual([1, 1, false]);
  });

  it.each(["anna" as SubjectTag, "device" as DeviceKey])(
    "ends for sessions no longer allowed, once a change of %s is known, and continues for the others",
    async (concerned) => {
      const [replaced, still] = [watch("one"), watch("two")];
      stands = { one: false };
      await samples.changed(concerned);
      offer();
      expect([replaced.ends, replaced.told, still.ends]).toEqual([["changed"], [], []]);
      expect(still.told).toHaveLength(1);
    },
  );

  it.each([[false], [new Error("no answer")]])("ends soon without such a confirmation: %s", async (answer) => {
    const { ends } = watch("one");
    await vi.advanceTimersByTimeAsync(4_000);
    stands = { one: answer };
    await vi.advanceTimersByTimeAsync(2_000);
    expect([ends, samples.watching, vi.getTimerCount()]).toEqual([["changed"], false, 0]);
  });

  it("continues for others when one ends", () => {
    const other = watch("two", { ...device, subjectTag: "bert" as SubjectTag });
    watch("one");
    samples.endSubject("anna" as SubjectTag);
    expect(other.ends).toEqual([]);
    offer({}, { ...device, subjectTag: "bert" as SubjectTag });
    expect(other.told).toHaveLength(1);
  });
});
