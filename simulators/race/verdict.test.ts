/** The judgement finds each kind of violation, and nothing where everything was as promised. */
import { cellToParent } from "h3-js";
import { beforeEach, describe, expect, it } from "vitest";
import { grantsOf } from "../../src/model/consent.ts";
import type { ServicePurpose } from "../../src/model/purposes.ts";
import type { Heard } from "./listeners.ts";
import { middleValue } from "./middle.ts";
import { ALL_GRANTS, ANALYTICS } from "./people.ts";
import { SentMessages } from "./sent-messages.ts";
import { Snapshots } from "./snapshots.ts";
import type { LocationRow, StatusRow, StoredView } from "./store-view.ts";
import { Telltale } from "./telltale.ts";
import { Timeline } from "./timeline.ts";
import { Judge, type Verdict } from "./verdict.ts";

const DEVICE = 0;
const NAME = "name-0";
const PLACE_FOR_WEATHER = grantsOf({ weather: ["location"] });
const MODEL = grantsOf({ analytics: ["model"] });

let timeline: Timeline;
let sent: SentMessages;
let telltale: Telltale;
let snapshots: Snapshots;

beforeEach(() => {
  timeline = new Timeline(20, ALL_GRANTS);
  sent = new SentMessages(100);
  telltale = new Telltale();
  snapshots = new Snapshots();
});

/** Sends one message of the device; returns its number and the cell it comes from. */
function send(): { n: number; cell: string } {
  const phase = timeline.phaseOf(DEVICE);
  const n = sent.add(DEVICE, phase, timeline.current(DEVICE).confirmed);
  return { n, cell: telltale.cellOf(DEVICE, phase) };
}

function row(n: number, model?: string): StatusRow {
  return { device: NAME, n, ...(model !== undefined && { model }) };
}

/** Withdraws and notes what is stored at that moment. */
function withdraw(lost: number, statuses: readonly StatusRow[] = [], locations: readonly LocationRow[] = []): number {
  const event = timeline.close([DEVICE], lost);
  snapshots.add(DEVICE, timeline.phaseOf(DEVICE), { statuses, locations }, (name) => name === NAME);
  return event;
}

function consentAgain(): void {
  timeline.open([DEVICE], ALL_GRANTS);
  timeline.confirm([DEVICE]);
}

function newJudge(personOf = (device: number) => device): Judge {
  const ownerOf = (name: string) => (name === NAME ? DEVICE : name === "name-1" ? 1 : undefined);
  return new Judge({ timeline, sent, telltale, snapshots, ownerOf, personOf });
}

function verdict(stored: Partial<StoredView>, heard: readonly Heard[] = [], judge = newJudge()): Verdict {
  return judge.verdict({ stored: { statuses: [], locations: [], ...stored }, heard, steady: new Set([1]) });
}

function packet(purpose: ServicePurpose, content: unknown, passed: number, known = passed): Heard {
  return { purpose, payload: Buffer.from(JSON.stringify(content)), at: 0, passed, known };
}

describe("rows", () => {
  it("may stay when they were there as the withdrawal was answered, and may not join later", () => {
    const [early, late] = [send().n, send().n];
    withdraw(ANALYTICS, [row(early, "round-0")]);
    expect(verdict({ statuses: [row(early, "round-0")] }).storedAfterWithdrawal).toBe(0);
    const { storedAfterWithdrawal, violations } = verdict({ statuses: [row(early, "round-0"), row(late)] });
    expect(storedAfterWithdrawal).toBe(1);
    expect(violations).toEqual([{ kind: "stored", what: "analytics.status", phasesApart: 1, count: 1 }]);
  });

  it("of before a withdrawal may not join after consent was given again, those of after it may", () => {
    const before = send().n;
    withdraw(ANALYTICS);
    const between = send().n;
    consentAgain();
    const after = send().n;
    expect(verdict({ statuses: [row(after)] }).storedAfterWithdrawal).toBe(0);
    expect(verdict({ statuses: [row(before)] }).storedAfterWithdrawal).toBe(1);
    expect(verdict({ statuses: [row(between)] }).storedAfterWithdrawal).toBe(1);
  });

  it("may join without what was withdrawn, not with it", () => {
    const { n } = send();
    withdraw(MODEL);
    expect(verdict({ statuses: [row(n)] }).storedAfterWithdrawal).toBe(0);
    expect(verdict({ statuses: [row(n, "round-0")] }).storedAfterWithdrawal).toBe(1);
  });

  it("that tell a place may stay where they were, and may not move to another withdrawn place", () => {
    const first = send().cell;
    withdraw(ANALYTICS, [], [{ device: NAME, cell: first }]);
    expect(verdict({ locations: [{ device: NAME, cell: first }] }).storedAfterWithdrawal).toBe(0);
    consentAgain();
    const second = send().cell;
    withdraw(ANALYTICS, [], [{ device: NAME, cell: first }]);
    expect(verdict({ locations: [{ device: NAME, cell: second }] }).storedAfterWithdrawal).toBe(1);
  });

  it("of before an erasure must be gone, those of a consent given meanwhile may stay", () => {
    const { n, cell } = send();
    const phases = timeline.beginErasure([DEVICE]);
    const refused = send().n;
    consentAgain();
    const again = send();
    timeline.completeErasure(phases);
    const stays = { statuses: [row(again.n)], locations: [{ device: NAME, cell: again.cell }] };
    expect(verdict(stays)).toMatchObject({ rowsAfterErasure: 0, storedAfterWithdrawal: 0 });
    expect(verdict({ statuses: [row(n)], locations: [{ device: NAME, cell }] }).rowsAfterErasure).toBe(2);
    expect(verdict({ statuses: [row(refused)] }).storedAfterWithdrawal).toBe(1);
  });

  it("count when they are read on the way and gone in the end, and once however often they are read", () => {
    const judge = newJudge();
    const { n, cell } = send();
    withdraw(ANALYTICS);
    const view = { statuses: [row(n)], locations: [{ device: NAME, cell }] };
    judge.rows(view);
    judge.rows(view);
    expect(verdict({}, [], judge)).toMatchObject({
      storedAfterWithdrawal: 2,
      checkedRows: { device_status: 1, device_location: 1 },
    });
  });

  it("under the name of another device, of another phase or of no message are stray", () => {
    const { n } = send();
    for (const stray of [{ device: "name-1", n }, { device: "nobody", n }, row(n, "round-1"), row(n + 1)]) {
      expect(verdict({ statuses: [stray] }).violations.map(({ kind }) => kind)).toEqual(["stray row"]);
    }
  });
});

describe("packets", () => {
  it("are judged by the events they came certainly too late for", () => {
    const { n } = send();
    const event = withdraw(ALL_GRANTS);
    const content = { device: NAME, status: { n } };
    expect(verdict({}, [packet("scene", content, event - 1)]).forwardedAfterWithdrawal).toBe(0);
    expect(verdict({}, [packet("scene", content, event)]).forwardedAfterWithdrawal).toBe(1);
    const unclear = verdict({}, [packet("scene", content, event - 1, event)]);
    expect(unclear).toMatchObject({ forwardedAfterWithdrawal: 0, forwardedAtTheAnswer: 1 });
  });

  it("of a message sent after the withdrawal are a violation whenever they arrive", () => {
    const event = withdraw(ALL_GRANTS);
    const { n } = send();
    const late = packet("scene", { device: NAME, status: { n } }, event - 1);
    expect(verdict({}, [late]).forwardedAfterWithdrawal).toBe(1);
  });

  it("tell by address, place and model as well", () => {
    const { n } = send();
    const address = `2000:${n.toString(16)}::/32`;
    const contents: [ServicePurpose, unknown][] = [
      ["network", { device: NAME, ipPrefix: address }],
      ["network", { device: NAME, model: "round-0" }],
    ];
    const heard = contents.map(([purpose, content]) => packet(purpose, content, 1));
    expect(verdict({}, heard)).toMatchObject({
      violations: [],
      checkedPackets: { weather: 0, scene: 0, network: 2 },
    });
    expect(withdraw(ALL_GRANTS)).toBe(1);
    expect(verdict({}, heard).forwardedAfterWithdrawal).toBe(2);
  });

  it("of weather need five people who allow it, and a form without any name", () => {
    const { there, content } = crowd();
    const { n } = content;
    // Five are left, and the last of them changes its mind below.
    expect(there.length).toBeGreaterThan(5);
    timeline.close(there.slice(5), PLACE_FOR_WEATHER);
    const told = content.of(middleValue(n, "low"));
    const heard = packet("weather", told, timeline.event);
    expect(verdict({}, [heard])).toMatchObject({ violations: [], checkedPackets: { weather: 1 } });
    for (const odd of [
      { ...told, device: NAME },
      { ...told, subjects: "7" },
      content.of(middleValue(99, "low")),
      content.of(7),
      { ...told, status: { ...told.status, n } },
      { ...told, cell: cellToParent(telltale.cellOf(outsider(there), 0), 6) },
    ]) {
      const { violations, checkedPackets } = verdict({}, [packet("weather", odd, timeline.event)]);
      expect([violations.map(({ kind }) => kind), checkedPackets.weather]).toEqual([["stray packet"], 0]);
    }
    const event = timeline.close([there[1] ?? 0], PLACE_FOR_WEATHER);
    expect(verdict({}, [packet("weather", told, event)]).forwardedAfterWithdrawal).toBe(1);
    const unclear = verdict({}, [packet("weather", told, event - 1, event)]);
    expect(unclear).toMatchObject({ forwardedAfterWithdrawal: 0, forwardedAtTheAnswer: 1 });
    // Two devices of one person are one.
    expect(
      verdict(
        {},
        [heard],
        newJudge(() => 0),
      ).forwardedAfterWithdrawal,
    ).toBe(1);
  });

  it("of weather are a violation when one in the middle of the crowd has withdrawn, however many others there are", () => {
    const { there, content } = crowd();
    const other = sent.add(there[1] ?? 0, 0, true);
    const alone = content.of(middleValue(content.n, "middle"));
    const two = content.of((middleValue(content.n, "middle") + middleValue(other, "high")) / 2);
    const others = content.of(middleValue(other, "high"));
    const event = timeline.close([there[0] ?? 0], PLACE_FOR_WEATHER);
    for (const told of [alone, two]) {
      const { violations, checkedPackets } = verdict({}, [packet("weather", told, event)]);
      expect(violations).toMatchObject([{ kind: "forwarded", what: "weather.crowd", phasesApart: 1, count: 1 }]);
      expect(checkedPackets.weather).toBe(1);
      const unclear = verdict({}, [packet("weather", told, event - 1, event)]);
      expect(unclear).toMatchObject({ forwardedAfterWithdrawal: 0, forwardedAtTheAnswer: 1 });
    }
    expect(verdict({}, [packet("weather", others, event)])).toMatchObject({ violations: [] });
  });

  /** Devices below one cell, with a message of the first of them, and packets of their crowd. */
  function crowd() {
    const area = cellToParent(telltale.cellOf(DEVICE, 0), 0);
    const there = timeline.devices.flatMap((_, device) =>
      cellToParent(telltale.cellOf(device, 0), 0) === area ? [device] : [],
    );
    const n = sent.add(there[0] ?? 0, 0, true);
    const of = (w: number) => ({ cell: area, center: { lat: 1, lon: 2 }, at: 3_000, status: { w }, subjects: "5+" });
    return { there, content: { n, of } };
  }

  /** One whose message is not in the middle. */
  function outsider(there: readonly number[]): number {
    return there[1] ?? 0;
  }

  it("may show an old message until its erasure is complete, and not afterwards", () => {
    const { n } = send();
    const phases = timeline.beginErasure([DEVICE]);
    const content = { device: NAME, status: { n } };
    const meanwhile = packet("scene", content, timeline.event);
    const event = timeline.completeErasure(phases);
    expect(verdict({}, [meanwhile]).forwardedAfterWithdrawal).toBe(0);
    expect(verdict({}, [packet("scene", content, event)]).forwardedAfterWithdrawal).toBe(1);
  });

  it("without any mark are stray", () => {
    const { violations, checkedPackets } = verdict({}, [packet("scene", { device: NAME }, 0)]);
    expect(violations.map(({ kind }) => kind)).toEqual(["stray packet"]);
    expect(checkedPackets.scene).toBe(0);
  });
});

it("counts as lost what was acknowledged under a consent that never ended, and has no row", () => {
  const first = sent.add(1, 0, true);
  const second = sent.add(1, 0, true);
  sent.acknowledged(first);
  const stored = { statuses: [{ device: "name-1", n: first }] };
  expect(verdict(stored).lost).toBe(0);
  sent.acknowledged(second);
  expect(verdict(stored)).toMatchObject({ lost: 1, lostWhereConsentHeld: 0 });

  const { n } = send();
  sent.acknowledged(n);
  expect(verdict(stored).lostWhereConsentHeld).toBe(1);
  withdraw(ANALYTICS);
  expect(verdict(stored).lostWhereConsentHeld).toBe(0);
});
