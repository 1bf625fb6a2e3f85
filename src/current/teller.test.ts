/** Telling what is current, with people who change their minds meanwhile, services that go, and leases that end. */
import { describe, expect, it, vi } from "vitest";
import { allOf, grantsOf, type Verdict } from "../model/consent.ts";
import type { Outgoing } from "../model/disclosure.ts";
import { DAY_MS, MINUTE_MS } from "../model/durations.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, DeviceRef, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { SceneNote, ScenePart } from "../model/scene.ts";
import type { SealedRecord } from "../platform/sealed-records.ts";
import { CurrentRuns } from "./runs.ts";
import { currentScene, SCENE_COVERAGE, SCENE_FORM } from "./scene-record.ts";
import { CurrentTeller } from "./teller.ts";

const EPOCH_MS = 7 * DAY_MS;
const NOW = 2_957 * EPOCH_MS + DAY_MS;
const never = new AbortController().signal;
const granted: Verdict = { grants: allOf(["scene"]), wrappedSubjectKey: "key", revision: 9 };
const refused = (refusal: "consent-withdrawn" | "consent-expired" | "legal-hold"): Verdict => ({ refusal });

class Outside {
  readonly records = new Map<string, string>();
  readonly verdicts = new Map<string, Verdict>();
  readonly told: Outgoing[] = [];
  readonly did: string[] = [];
  readonly addressable: string[] = [];
  asked = true;
  over = 0;
  /** When consent was asked for the second time, with the state of the ledger. */
  account: () => Promise<void> = async () => undefined;

  note(device: string, at = NOW - 1_000): void {
    const scene = { model: "hub", status: { battery: 80 }, at };
    this.records.set(device, SCENE_FORM.encode({ scene, at, revision: 3 }));
  }

  teller(): CurrentTeller<SceneNote, ScenePart> {
    const refOf = (device: string): DeviceRef => ({
      deviceKey: device as DeviceKey,
      subjectTag: `s-${device}` as SubjectTag,
    });
    const { records } = this;
    return new CurrentTeller(
      {
        records: {
          async *all(): AsyncGenerator<readonly SealedRecord[]> {
            yield [...records].map(([device, sealed]) => ({ device: refOf(device), sealed }));
          },
          read: async (devices) => devices.map(({ deviceKey }) => records.get(deviceKey) ?? ""),
          open: ({ sealed }, wrapped) => {
            if (wrapped === "damaged") throw new GatewayError("SUBJECT_KEY_UNREADABLE", "test");
            return SCENE_FORM.decode(sealed);
          },
        },
        coverage: SCENE_COVERAGE,
        currentOf: currentScene,
        nameOf: (_, device, epoch) => `${device} in ${epoch}` as Pseudonym,
        addressable: { remember: (name) => void this.addressable.push(name) },
      },
      { forMs: 30 * MINUTE_MS, epochMs: EPOCH_MS },
      {
        checkConsent: async (devices) => devices.map(({ deviceKey }) => this.verdicts.get(deviceKey) ?? granted),
        leases: {
          acquire: async () => {
            const over = this.over-- > 0;
            this.did.push("lease");
            return {
              signal: never,
              over,
              release: async () => void this.did.push("released"),
              keep: async () => undefined,
              abandon: () => undefined,
            };
          },
        },
        delivery: {
          announce: async (batch) => {
            await this.account();
            this.did.push("account");
            return () => {
              this.did.push("handed over");
              this.told.push(...batch);
            };
          },
          left: () => Promise.resolve().then(() => void this.did.push("left")),
          listening: () => this.asked,
        },
        now: () => NOW,
      },
    );
  }

  get devices(): string[] {
    return this.told.map(({ subject }) => subject.slice(2)).sort();
  }
}

describe("what is current", () => {
  it("is told once it is on the account, and the lease lasts until it has left", async () => {
    const outside = new Outside();
    outside.note("a");
    await outside.teller().tell(never);
    expect(outside.did).toEqual(["lease", "account", "handed over", "left", "released"]);
    const [told] = outside.told;
    expect(told).toMatchObject({ subject: "s-a", revision: 9, wrappedSubjectKey: "key", at: NOW - 1_000 });
    expect(told?.result.scene).toMatchObject({ device: "a in 2957", model: "hub", current: true });
    expect(outside.addressable).toEqual(["a in 2957"]);
  });

  it("is nothing of who withdrew, whose consent ran out, who is held, or whose key does not open", async () => {
    const outside = new Outside();
    for (const device of ["withdrawn", "expired", "held", "damaged", "stays"]) outside.note(device);
    outside.verdicts.set("withdrawn", refused("consent-withdrawn"));
    outside.verdicts.set("expired", refused("consent-expired"));
    outside.verdicts.set("held", refused("legal-hold"));
    outside.verdicts.set("damaged", { ...granted, wrappedSubjectKey: "damaged" });
    await outside.teller().tell(never);
    expect(outside.devices).toEqual(["stays"]);
  });

  it("is without the category that consent does not cover", async () => {
    const outside = new Outside();
    outside.note("a");
    outside.verdicts.set("a", { ...granted, grants: grantsOf({ scene: ["status"] }) });
    await outside.teller().tell(never);
    expect(outside.told[0]?.result.scene).not.toHaveProperty("model");
  });

  it("is told in an order that is not that of Redis, in portions", async () => {
    const outside = new Outside();
    const devices = Array.from({ length: 1_200 }, (_, n) => `d${String(n).padStart(4, "0")}`);
    for (const device of devices) outside.note(device);
    await outside.teller().tell(never);
    const order = outside.told.map(({ subject }) => subject.slice(2));
    expect(outside.devices).toEqual(devices);
    expect(order).not.toEqual(devices);
    // Of the first portion about a third are of the last third.
    expect(order.slice(0, 500).filter((device) => device >= "d0800").length).toBeGreaterThan(50);
    expect(outside.did.filter((what) => what === "lease")).toHaveLength(3);
  });

  it("is told no further when no one waits for it", async () => {
    const outside = new Outside();
    for (let n = 0; n < 1_200; n += 1) outside.note(`d${n}`);
    outside.account = async () => {
      outside.asked = false;
    };
    await outside.teller().tell(never);
    expect(outside.told).toHaveLength(500);
  });

  it("is not told under a lease that has ended, but under the next one", async () => {
    const outside = new Outside();
    outside.note("a");
    outside.over = 1;
    await outside.teller().tell(never);
    expect(outside.devices).toEqual(["a"]);
    expect(outside.did.slice(0, 3)).toEqual(["lease", "account", "released"]);
  });

  it("is not told without the account", async () => {
    const outside = new Outside();
    outside.note("a");
    outside.account = async () => {
      throw new GatewayError("REDIS_UNAVAILABLE", "test");
    };
    await expect(outside.teller().tell(never)).rejects.toThrow("test");
    expect([outside.told, outside.did]).toEqual([[], ["lease", "released"]]);
  });
});

describe("a run", () => {
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const runs = (tell: () => Promise<void>, listening = () => true) =>
    new CurrentRuns(
      {
        tellers: { scene: { tell }, network: { tell }, weather: { tell } },
        deliveries: { scene: { listening }, network: { listening }, weather: { listening } },
        log,
      },
      1,
    );

  it("begins again after a fault, until it is told", async () => {
    const tell = vi.fn(async (): Promise<void> => undefined);
    tell.mockRejectedValueOnce(new GatewayError("REDIS_UNAVAILABLE", "test"));
    await runs(tell).tell("scene");
    expect(tell).toHaveBeenCalledTimes(2);
    expect(log.warn).toHaveBeenCalledTimes(1);
  });

  it("does not when no one waits for it any more, nor when the gateway stops", async () => {
    let waits = true;
    const failing = vi.fn(async () => {
      waits = false;
      throw new GatewayError("REDIS_UNAVAILABLE", "test");
    });
    await runs(failing, () => waits).tell("scene");
    expect(failing).toHaveBeenCalledTimes(1);
    const stopping = runs(async () => {
      void stopping.stop();
      throw new GatewayError("REDIS_UNAVAILABLE", "test");
    });
    await stopping.tell("network");
    await stopping.stop();
  });
});
