/** Which devices get which forecast, and when none does: consent is asked right before, and a place counts as long as it is known. */
import { cellToParent, latLngToCell } from "h3-js";
import { beforeEach, describe, expect, it } from "vitest";
import { type CheckConsent, grantsOf, type Verdict } from "../model/consent.ts";
import { GatewayError } from "../model/errors.ts";
import type { DevicePlace, PlacedDevice } from "../model/forecast.ts";
import type { CellId, DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import { ForecastDelivery } from "./delivery.ts";
import { noticeOf } from "./forecast.ts";
import { type Kept, KeptForecasts } from "./kept-forecasts.ts";

const HERE = latLngToCell(12.97, 77.59, 6) as CellId;
const AROUND = cellToParent(HERE, 4) as CellId;
const COARSE = cellToParent(HERE, 1) as CellId;
const ELSEWHERE = latLngToCell(52.5, 13.4, 6) as CellId;
const GRANTS = grantsOf({ weather: ["location"] });
const GIVEN: Verdict = { grants: GRANTS, wrappedSubjectKey: "key" };

class Device implements PlacedDevice {
  readonly ref: DeviceRef;
  hub: DeviceRef | undefined;
  listens = true;
  reads = true;
  known = true;
  readonly place: DevicePlace;
  readonly heard: string[] = [];

  constructor(name: string, cell: CellId, asks = false) {
    this.ref = { deviceKey: name as DeviceKey, subjectTag: `of ${name}` as SubjectTag };
    this.place = { cell, revision: 3, at: 1, told: undefined, asks };
  }

  tell(payload: Buffer): boolean {
    if (this.reads) this.heard.push(payload.toString());
    return this.reads;
  }

  forget(): void {
    this.known = false;
  }
}

let kept: Map<CellId, Kept>;
let devices: Device[];
let asked: (readonly DeviceRef[])[];
let leases: number;
let open: number;
let check: CheckConsent;
let over: boolean;
let delivery: ForecastDelivery;

beforeEach(() => {
  kept = new Map();
  devices = [];
  asked = [];
  [leases, open, over] = [0, 0, false];
  check = async (refs) => refs.map(() => GIVEN);
  const redis = {
    mget: async (names: string[]) => {
      const one = names.map((name) => kept.get(name.slice(2) as CellId));
      return one.map((text) => (text === undefined ? null : `${text.at} ${text.rest}`));
    },
  };
  const keyspace = { forecast: (cell: CellId) => `f:${cell}` };
  delivery = new ForecastDelivery({
    kept: new KeptForecasts(redis as never, keyspace as never),
    placed: () => devices.filter(({ known }) => known),
    leases: {
      acquire: async () => {
        leases += 1;
        open += 1;
        return {
          signal: new AbortController().signal,
          get over() {
            return over;
          },
          release: async () => {
            open -= 1;
          },
          keep: async () => undefined,
          abandon: () => undefined,
        };
      },
    },
    checkConsent: async (refs) => {
      expect(open).toBe(1);
      asked.push(refs);
      return check(refs);
    },
  });
});

function forecast(cell: CellId, at = 1): string {
  const one = { cell, at, rest: `"at":${at}}` };
  kept.set(cell, one);
  delivery.arrived(cell);
  return noticeOf(cell, one.rest);
}
const device = (name: string, cell = HERE, asks = false) => {
  const one = new Device(name, cell, asks);
  devices.push(one);
  return one;
};

describe("a new forecast", () => {
  it("reaches every device below its cell, once, and no other", async () => {
    const [one, two, far] = [device("one"), device("two"), device("far", ELSEWHERE)];
    const first = forecast(AROUND);
    await delivery.turn();
    await delivery.turn();
    const second = forecast(AROUND, 2);
    await delivery.turn();
    expect([one.heard, two.heard, far.heard]).toEqual([[first, second], [first, second], []]);
    expect([leases, open]).toEqual([2, 0]);
  });

  it("of a coarse cell is for those that have none of a finer one", async () => {
    const [one, other] = [device("one"), device("other", cellToParent(HERE, 3) as CellId)];
    const fine = forecast(AROUND);
    await delivery.turn();
    const coarse = forecast(COARSE, 9);
    await delivery.turn();
    expect([one.heard, other.heard]).toEqual([[fine], [coarse]]);
    // The finer one is over.
    kept.delete(AROUND);
    const next = forecast(COARSE, 10);
    await delivery.turn();
    expect([one.heard, other.heard]).toEqual([
      [fine, next],
      [coarse, next],
    ]);
  });

  it("is not looked for where no device listens, and asks consent of none", async () => {
    device("one").listens = false;
    device("far", ELSEWHERE);
    forecast(AROUND);
    await delivery.turn();
    expect([leases, asked]).toEqual([0, []]);
  });

  it("reaches a thousand devices as one", async () => {
    for (let n = 0; n < 1_000; n += 1) device(`d-${n}`);
    const told = forecast(HERE);
    await delivery.turn();
    expect(devices.filter(({ heard }) => heard[0] === told && heard.length === 1)).toHaveLength(1_000);
    expect([leases, open]).toEqual([5, 0]);
  });

  it("for what is no cell is none", async () => {
    device("one");
    for (const text of ["", "x", latLngToCell(12.97, 77.59, 9)]) delivery.arrived(text);
    await delivery.turn();
    expect(leases).toBe(0);
  });
});

describe("a device that asks", () => {
  it("gets the newest that is kept, once", async () => {
    forecast(COARSE, 1);
    const fine = forecast(AROUND, 1);
    await delivery.turn();
    const late = device("late", HERE, true);
    delivery.asked();
    await delivery.turn();
    delivery.asked();
    await delivery.turn();
    expect(late.heard).toEqual([fine]);
  });

  it("gets nothing where nothing is kept, and is not looked up again and again", async () => {
    const late = device("late", HERE, true);
    delivery.asked();
    await delivery.turn();
    expect([late.heard, late.place.asks, leases]).toEqual([[], false, 0]);
  });

  it("is told nothing twice, unless it has begun to listen again", async () => {
    const one = device("one", HERE, true);
    const told = forecast(HERE);
    await delivery.turn();
    one.place.asks = true;
    delivery.asked();
    await delivery.turn();
    expect(one.heard).toEqual([told]);
    Object.assign(one.place, { asks: true, told: undefined });
    delivery.asked();
    await delivery.turn();
    expect(one.heard).toEqual([told, told]);
  });
});

describe("without consent", () => {
  const refusing = (verdict: Verdict) => {
    check = async (refs) => refs.map(({ deviceKey }) => (deviceKey === "one" ? verdict : GIVEN));
  };

  it.each<[string, Verdict]>([
    ["withdrawn", { refusal: "consent-withdrawn" }],
    ["held", { refusal: "legal-hold" }],
    ["erased", { refusal: "no-consent" }],
    ["narrower", { grants: grantsOf({ weather: ["status"], scene: ["status"] }), wrappedSubjectKey: "key" }],
    ["for others alone", { grants: grantsOf({ analytics: ["location"] }), wrappedSubjectKey: "key" }],
  ])("that is %s a device gets nothing, and its place is known no longer", async (_, verdict) => {
    const [one, other] = [device("one"), device("other")];
    refusing(verdict);
    const told = forecast(HERE);
    await delivery.turn();
    expect([one.heard, one.known, other.heard]).toEqual([[], false, [told]]);
    check = async (refs) => refs.map(() => GIVEN);
    forecast(HERE, 2);
    await delivery.turn();
    expect(one.heard).toEqual([]);
  });

  it("is asked with the revision under which the place was found", async () => {
    device("one");
    forecast(HERE);
    await delivery.turn();
    expect(asked).toEqual([[{ deviceKey: "one", subjectTag: "of one", revision: 3 }]]);
  });

  it("to a hub those behind it get nothing until it is given again", async () => {
    const one = device("child");
    one.hub = { deviceKey: "one" as DeviceKey, subjectTag: "of one" as SubjectTag };
    refusing({ refusal: "consent-withdrawn" });
    forecast(HERE);
    await delivery.turn();
    check = async (refs) => refs.map(() => GIVEN);
    const told = forecast(HERE, 2);
    await delivery.turn();
    expect(one.heard).toEqual([told]);
  });

  it("a change of the record makes its place unknown at once, and that of no other", async () => {
    const [one, other] = [device("one"), device("other")];
    const check1 = new ForecastDelivery({
      kept: { over: async () => new Map() },
      placed: () => devices,
      leases: { acquire: () => Promise.reject(new Error("not asked")) },
      checkConsent: async (refs) => refs.map(() => ({ refusal: "consent-withdrawn" })),
    });
    await check1.recordChanged("of one" as SubjectTag);
    expect([one.known, other.known]).toEqual([false, true]);
  });

  it("that could not be asked a changed record counts as withdrawn", async () => {
    const one = device("one");
    const away = new ForecastDelivery({
      kept: { over: async () => new Map() },
      placed: () => devices,
      leases: { acquire: () => Promise.reject(new Error("not asked")) },
      checkConsent: () => Promise.reject(new GatewayError("REDIS_UNAVAILABLE")),
    });
    await away.recordChanged("one" as DeviceKey);
    expect(one.known).toBe(false);
  });
});

describe("a fault", () => {
  it("of Redis delays what is due to the next turn", async () => {
    const one = device("one");
    const told = forecast(HERE);
    check = () => Promise.reject(new GatewayError("REDIS_UNAVAILABLE"));
    await expect(delivery.turn()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
    check = async (refs) => refs.map(() => GIVEN);
    await delivery.turn();
    expect([one.heard, open]).toEqual([[told], 0]);
  });

  it("that ends the lease ends what is told under it", async () => {
    const one = device("one");
    const told = forecast(HERE);
    over = true;
    await expect(delivery.turn()).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(one.heard).toEqual([]);
    over = false;
    await delivery.turn();
    expect(one.heard).toEqual([told]);
  });

  it("of a device that does not read is its own", async () => {
    const [one, other] = [device("one"), device("other")];
    one.reads = false;
    const told = forecast(HERE);
    await delivery.turn();
    one.reads = true;
    expect([one.heard, other.heard]).toEqual([[], [told]]);
    const next = forecast(HERE, 2);
    await delivery.turn();
    expect([one.heard, other.heard]).toEqual([[next], [told, next]]);
  });
});
