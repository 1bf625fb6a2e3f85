/** On small recordings that are made up: a link that is there is found, and where there is none nothing is. */
import { latLngToCell } from "h3-js";
import { describe, expect, test } from "vitest";
import { Random } from "../../simulators/random.ts";
import { CellOutlines } from "../../src/deidentify/cell-outline.ts";
import { cellOf } from "../measure/cells.ts";
import { MadeUp, STARTS_AT } from "../recording/made-up.ts";
import { refusalByAcknowledgement } from "./acknowledgements.ts";
import { aloneInCell, householdAsCrowd, neighbourAtHome } from "./crowds.ts";
import { homesByFamilies } from "./families.ts";
import { identifiersPassed } from "./identifiers.ts";
import { placeWhenTold } from "./walks.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

test("A7: a home alone in a stored cell is counted, one with a neighbour is not", () => {
  const made = new MadeUp();
  made.device(1, { lat: 10, lon: 75 });
  made.device(2, { lat: 20, lon: 75 });
  made.device(3, { lat: 20, lon: 75 });
  for (const [device, lat] of [
    [1, 10],
    [2, 20],
  ] as const) {
    const fields = `cell="${cellOf(lat, 75, 4)}",resolution=4`;
    made.row("device_location", `device=analytics${device}e0`, fields, STARTS_AT);
  }
  expect(aloneInCell.run(made.view())).toMatchObject({ hits: 1, trials: 3 });
});

test("A7: a home beside which someone walks by is not alone, and who walks is no home of the world", () => {
  const made = new MadeUp();
  made.device(1, { lat: 10, lon: 75 });
  const walker = made.device(2, { lat: 40, lon: 75, probe: "walker" });
  made.row("device_location", "device=analytics1e0", `cell="${cellOf(10, 75, 4)}",resolution=4`, STARTS_AT);
  const alone = aloneInCell.run(made.view());
  expect(alone).toMatchObject({ hits: 1, trials: 1 });
  made.truth({ about: "walk", device: walker.device, steps: [[STARTS_AT, 10.01, 75.01]] });
  expect(aloneInCell.run(made.view())).toMatchObject({ hits: 0, trials: 1 });
});

describe("A8 and A9, crowds", () => {
  const [lat, lon] = [7, 93];
  const cell = cellOf(lat, lon, 4);
  const windows = (countOf: (present: boolean) => number, more: (made: MadeUp) => void = () => undefined) => {
    const random = new Random(2);
    const made = new MadeUp();
    more(made);
    for (let hour = 0; hour < 100; hour += 1) {
      const from = STARTS_AT + hour * HOUR_MS;
      const to = from + 15 * MINUTE_MS;
      const present = random.chance(0.5);
      made.truth({ about: "window", from, to, lat, lon, present, devices: present ? 13 : 9 });
      made.truth({ about: "household", from, to, lat, lon });
      const count = countOf(present);
      if (count > 0) made.row("cell_activity", `cell=${cell}`, `devices=${count},messages=9`, from);
    }
    return made.view();
  };

  test("tell of a neighbour by an exact count, and by whether there is one", () => {
    const exact = { "exact count told": 1 };
    expect(neighbourAtHome.run(windows((present) => (present ? 13 : 9)))).toMatchObject({ hits: 100, detail: exact });
    expect(neighbourAtHome.run(windows((present) => (present ? 10 : 0)))).toMatchObject({ hits: 100 });
    expect(householdAsCrowd.run(windows(() => 12))).toMatchObject({ hits: 100, trials: 100 });
  });

  test("tell nothing when nothing is told, or always the same", () => {
    expect(neighbourAtHome.run(windows(() => 0)).hits).toBeLessThan(65);
    expect(neighbourAtHome.run(windows(() => 10)).hits).toBeLessThan(65);
    expect(householdAsCrowd.run(windows(() => 0))).toMatchObject({ hits: 0, trials: 100 });
  });

  test("of a cell in which others are as well are those of others", () => {
    const others = (made: MadeUp) => {
      for (let device = 0; device < 6; device += 1) made.device(device, { lat, lon });
    };
    expect(householdAsCrowd.run(windows(() => 12, others))).toMatchObject({ hits: 0, trials: 100 });
  });
});

test("A10: an identifier is found in rows, in packets and on open metrics, and nowhere else", () => {
  const made = new MadeUp();
  for (const text of ["ravi1", "ravi2", "ravi3", "ravi4"]) made.truth({ about: "identifier", as: "text", text });
  made.row("device_status", "device=x", 'preset="ravi1"', STARTS_AT);
  made.packet("scene", "processed/scene/x", { status: { preset: "ravi2" } }, STARTS_AT);
  expect(identifiersPassed.run(made.view({ metrics: "of ravi3" }))).toMatchObject({ hits: 3, trials: 4 });
});

describe("A11, a walk over a border", () => {
  const border = outside();
  const walk = (delaySteps: number) => {
    const made = new MadeUp();
    const [first, second] = [latLngToCell(19.1, 72.88, 6), latLngToCell(19.2, 72.88, 6)];
    for (let device = 0; device < 10; device += 1) {
      made.device(device, { probe: "walker" });
      const steps = Array.from(
        { length: 450 },
        (_, step) => [STARTS_AT + step * 18_000, 19.1 + step * 0.000225, 72.88] as const,
      );
      made.truth({ about: "walk", device: `d${device}`, steps });
      // Told when the source says that it changes, or later by a delay of its own.
      const changes = steps.findIndex(([, lat]) => lat > border);
      for (const [cell, at] of [
        [first, STARTS_AT],
        [second, STARTS_AT + (changes + device * delaySteps) * 18_000],
      ] as const) {
        made.row("device_location", `device=analytics${device}e0`, `cell="${cell}",resolution=6`, at);
      }
    }
    return made.view();
  };

  test("tells the place when it is told at once, and not when it waits", () => {
    expect(placeWhenTold.run(walk(0))).toMatchObject({ hits: 10, trials: 10 });
    expect(placeWhenTold.run(walk(20)).hits).toBeLessThan(4);
  });
});

/** Where the rule of the source lets the first cell end, on that line. */
function outside(): number {
  const outlines = new CellOutlines();
  let lat = 19.1;
  while (outlines.reaches(latLngToCell(19.1, 72.88, 6), lat, 72.88, 0.15)) lat += 0.0001;
  return lat;
}

describe("A12, acknowledgements", () => {
  const acks = (msOf: (refused: boolean, random: Random) => number) => {
    const random = new Random(4);
    const classes = ["stored", "no-consent", "withdrawn", "held", "unbound"] as const;
    return Array.from({ length: 300 }, () =>
      classes.map((one) => ({ protocol: "3.1.1" as const, class: one, ms: msOf(one !== "stored", random), bytes: 4 })),
    ).flat();
  };

  test("tell a refusal by their time", () => {
    const found = refusalByAcknowledgement.run(
      new MadeUp().view({ acks: acks((refused, random) => random.next() + (refused ? 0 : 5)) }),
    );
    expect(found).toMatchObject({ measured: { rate: 1 }, trials: 300 });
  });

  test("tell nothing when they come alike; a hold on open metrics is told whatever they do", () => {
    const alike = acks((_, random) => random.next());
    expect(refusalByAcknowledgement.run(new MadeUp().view({ acks: alike })).measured?.rate).toBeLessThan(0.6);
    const metrics = 'messages_total{outcome="legal-hold"} 1';
    expect(refusalByAcknowledgement.run(new MadeUp().view({ acks: alike, metrics })).measured?.rate).toBe(1);
  });
});

test("A13: a home is told by a set of families that no other has", () => {
  const made = new MadeUp();
  for (const [index, kind] of ["lock", "lock", "meter"].entries()) made.device(index, { kind });
  expect(homesByFamilies.run(made.view())).toMatchObject({ hits: 1, trials: 3 });
});
