/** On small recordings that are made up: a link that is there is found, and where there is none nothing is. */
import { describe, expect, test } from "vitest";
import { Random } from "../../simulators/random.ts";
import { cellOf } from "../measure/cells.ts";
import { openDigits } from "../open-digits.ts";
import { MadeUp, STARTS_AT } from "../recording/made-up.ts";
import { namesOverEpochs } from "./epochs.ts";
import { noticesOfErasure } from "./erasures.ts";
import { rowsAndScenes, sceneAndNetwork } from "./joins.ts";
import { placeOfScene } from "./places.ts";
import { countersOverEpochs, idsOutOfRowTimes } from "./row-times.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const EPOCH_MS = 7 * 24 * HOUR_MS;
const DEVICES = 40;
const ROWS = 12;

/** Devices that count their messages from a number of their own; the digits of a row time are what `digits` makes of it. */
function counting(digits: (id: number, random: Random) => number): MadeUp {
  const random = new Random(7);
  const made = new MadeUp();
  for (let device = 0; device < DEVICES; device += 1) {
    made.device(device);
    let id = random.int(900_000);
    made.truth({ about: "ids", device: `d${device}`, ids: [1, 2, 3].map((more) => String(id + more)) });
    for (let row = 0; row < 2 * ROWS; row += 1) {
      const epoch = Math.floor(row / ROWS);
      id += 1;
      const time = STARTS_AT + epoch * EPOCH_MS + row * HOUR_MS;
      made.row("device_status", `device=analytics${device}e${epoch}`, "battery=50", time, digits(id, random));
    }
  }
  return made;
}

describe("A1 and A2, digits of row times", () => {
  test("find ids and counters in digits that are made of ids", () => {
    const view = counting((id) => openDigits(String(id))).view();
    expect(idsOutOfRowTimes.run(view)).toMatchObject({ hits: DEVICES, trials: DEVICES });
    expect(countersOverEpochs.run(view)).toMatchObject({ hits: DEVICES, trials: DEVICES, control: 1 / DEVICES });
  });

  test("find nothing in digits that are drawn", () => {
    const view = counting((_, random) => random.int(1_000_000)).view();
    expect(idsOutOfRowTimes.run(view).hits).toBeLessThan(6);
    expect(countersOverEpochs.run(view).hits).toBeLessThan(6);
  });
});

/** `own`: what a device keeps from one epoch to the next. */
function living(own: (random: Random) => { readonly hour: number; readonly setpoint: number }, keeps: boolean): MadeUp {
  const random = new Random(3);
  const made = new MadeUp();
  for (let device = 0; device < DEVICES; device += 1) {
    made.device(device);
    let kept = own(random);
    for (const epoch of [0, 1]) {
      if (!keeps) kept = own(random);
      for (let row = 0; row < ROWS; row += 1) {
        // Both halves of the day have enough rows.
        const time = STARTS_AT + epoch * EPOCH_MS + ((kept.hour + row * 2) % 24) * HOUR_MS + random.int(MINUTE_MS);
        const fields = `setpoint=${kept.setpoint + random.gaussian() / 50},power=${random.int(1000)}`;
        made.row("device_status", `device=analytics${device}e${epoch},model=hub`, fields, time);
      }
    }
  }
  return made;
}

describe("A3, epochs", () => {
  const own = (random: Random) => ({ hour: random.int(24), setpoint: random.between(0, 40) });

  test("are linked by a value that stays", () => {
    const { hits, trials } = namesOverEpochs.run(living(own, true).view());
    expect(trials).toBe(DEVICES);
    expect(hits).toBeGreaterThan(0.9 * DEVICES);
  });

  test("are not where nothing stays", () => {
    expect(namesOverEpochs.run(living(own, false).view()).hits).toBeLessThan(8);
  });
});

/** The same messages to two services; the network is told `laterMs` after, which may differ each time. */
function told(laterMs: (random: Random) => number): MadeUp {
  const random = new Random(5);
  const made = new MadeUp();
  const messages = Array.from({ length: DEVICES }, (_, device) => made.device(device)).flatMap((_, device) =>
    Array.from({ length: 8 }, () => ({ device, at: STARTS_AT + random.int(23 * HOUR_MS) })),
  );
  const later = messages.map(({ device, at }) => ({ device, at: at + laterMs(random) }));
  for (const { device, at } of messages.toSorted((left, right) => left.at - right.at)) {
    const status = { open: true };
    made.packet("scene", "processed/scene/x", { device: `scene${device}e0`, model: "hub", status, at }, at);
    made.row("device_status", `device=analytics${device}e0,model=hub`, "open=true", at + laterMs(random));
  }
  for (const { device, at } of later.toSorted((left, right) => left.at - right.at)) {
    made.packet("network", "processed/network/x", { device: `network${device}e0`, model: "hub", at }, at);
  }
  return made;
}

describe("A4 and A14, names of two outputs", () => {
  test("are joined when both hear of every message at once", () => {
    const view = told(() => 0).view();
    expect(sceneAndNetwork.run(view)).toMatchObject({ hits: DEVICES, trials: DEVICES, control: 1 / DEVICES });
    expect(rowsAndScenes.run(view)).toMatchObject({ hits: DEVICES, trials: DEVICES });
  });

  test("are not when one of them hears at times of its own", () => {
    const view = told((random) => random.int(1_000 * HOUR_MS) % (23 * HOUR_MS)).view();
    expect(sceneAndNetwork.run(view).hits).toBeLessThan(8);
    expect(rowsAndScenes.run(view).hits).toBeLessThan(8);
  });
});

describe("A5, a place for a scene name", () => {
  function gardens(temperatureOf: (device: number, hour: number) => number): MadeUp {
    const made = new MadeUp();
    for (let device = 0; device < DEVICES; device += 1) {
      const lat = 10 + device / 2;
      made.device(device, { outdoor: true, lat, lon: 75 });
      for (let hour = 0; hour < 20; hour += 1) {
        const at = STARTS_AT + hour * HOUR_MS;
        const scene = {
          device: `scene${device}e0`,
          at,
          status: { temperature: 20 + 10 * Math.sin(device * 7 + hour) },
        };
        made.packet("scene", "processed/scene/x", scene, at);
      }
    }
    for (let hour = 0; hour < 20; hour += 1) {
      for (let device = 0; device < DEVICES; device += 1) {
        const at = STARTS_AT + hour * HOUR_MS;
        const status = { temperature: temperatureOf(device, hour) };
        made.packet("weather", "processed/weather/x", { cell: cellOf(10 + device / 2, 75, 4), at, status }, at);
      }
    }
    return made;
  }

  test("is found by values that are nowhere else", () => {
    const found = placeOfScene.run(gardens((device, hour) => 20 + 10 * Math.sin(device * 7 + hour)).view());
    expect(found).toMatchObject({ trials: DEVICES, control: 1 / DEVICES });
    expect(found.hits).toBeGreaterThan(0.9 * DEVICES);
  });

  test("is not when all places are told the same", () => {
    expect(placeOfScene.run(gardens(() => 20).view()).hits).toBeLessThan(8);
  });
});

describe("A6, notices of erasure", () => {
  const notice = (made: MadeUp, service: "scene" | "network", id: string, pseudonyms: string[]) =>
    made.packet(service, `privacy/erased/${service}`, { id, pseudonyms }, STARTS_AT + 2 * EPOCH_MS);
  const erased = (made: MadeUp) => made.truth({ about: "erased", home: "h1", at: STARTS_AT + 2 * EPOCH_MS });

  test("that name the same id to two services, and names of long ago, are noticed", () => {
    const made = new MadeUp();
    made.device(1);
    erased(made);
    notice(made, "scene", "one", ["scene1e0", "scene1e1"]);
    notice(made, "network", "one", ["network1e1"]);
    const detail = { "joined by id": 1, "older names": 1 };
    expect(noticesOfErasure.run(made.view())).toMatchObject({ hits: 1, trials: 1, detail });
  });

  test("of several people, with ids of their own and recent names, tell nothing", () => {
    const made = new MadeUp();
    for (const device of [1, 2]) made.device(device);
    erased(made);
    notice(made, "scene", "one", ["scene2e1", "scene1e1"]);
    notice(made, "network", "two", ["network1e1", "network2e1"]);
    expect(noticesOfErasure.run(made.view())).toMatchObject({ hits: 0, trials: 1 });
  });

  /** Two names of each of six devices, each device a home of its own. */
  const twelve = (of: (device: number, epoch: number) => string) =>
    Array.from({ length: 12 }, (_, index) => of(Math.floor(index / 2) + 1, index % 2));

  test.each([
    ["device by device", (names: string[]) => names, 1],
    ["mixed", (names: string[]) => names.map((_, index) => names[(index * 5) % 12] ?? ""), 0],
  ] as const)("whose names stand %s", (_name, arranged, hits) => {
    const made = new MadeUp();
    for (const device of [1, 2, 3, 4, 5, 6]) made.device(device);
    erased(made);
    notice(made, "scene", "one", arranged(twelve((device, epoch) => `scene${device}e${epoch + 1}`)));
    expect(noticesOfErasure.run(made.view())).toMatchObject({ hits, detail: { "names in order": hits } });
  });

  test("of one epoch alone are in no order for that", () => {
    const made = new MadeUp();
    for (const device of [1, 2, 3, 4, 5, 6, 7]) made.device(device);
    erased(made);
    notice(
      made,
      "scene",
      "one",
      [3, 1, 5, 2, 7, 6, 4].map((device) => `scene${device}e1`),
    );
    expect(noticesOfErasure.run(made.view())).toMatchObject({ hits: 0 });
  });
});
