import { describe, expect, it } from "vitest";
import { Silence } from "./silence.ts";

const MINUTE_MS = 60_000;
const SILENT_MS = 180 * MINUTE_MS;
const BEGIN = Date.UTC(2026, 10, 30, 0, 20);
const PREFIX = "203.0.0.0/16";

/** Names that are told every hour, as long as they are told. */
class Lines {
  readonly silence = new Silence({ silentAfterMs: SILENT_MS, fewestOfPrefix: 5, shareOfPrefix: 0.6, maxNames: 1_000 });
  now = BEGIN;
  since = BEGIN;

  /** Two minutes for each of the names, an hour with all of them. */
  hour(...names: readonly string[]): void {
    for (const one of names) this.silence.heard(one, one.startsWith("x") ? "198.51.0.0/16" : PREFIX, this.now);
    this.now += 60 * MINUTE_MS;
  }

  hours(count: number, ...names: readonly string[]): void {
    for (let hour = 0; hour < count; hour += 1) this.hour(...names);
  }

  findings(most = 100) {
    return this.silence.findings(this.now, this.since, most).map(({ name, type }) => `${name} ${type}`);
  }
}

describe("a name", () => {
  it("that is told each hour is not silent; one that is not, for three hours, is, and is found once", () => {
    const lines = new Lines();
    lines.hours(4, "a", "x");
    expect(lines.findings()).toEqual([]);
    const last = lines.now;
    lines.hour("a", "x");
    lines.hours(3, "x");
    expect(lines.silence.findings(lines.now, lines.since, 10)).toEqual([
      { name: "a", type: "unreachable", since: last, prefix: PREFIX },
    ]);
    lines.hour("x");
    expect(lines.findings()).toEqual([]);
    lines.hour("a", "x");
    lines.hours(3, "x");
    expect(lines.findings()).toEqual(["a unreachable"]);
  });

  it("is not silent because the service was away, nor because the gateway tells nothing at all", () => {
    const lines = new Lines();
    lines.hours(2, "a", "b");
    lines.hours(4);
    expect(lines.findings()).toEqual([]);
    lines.hours(1, "b");
    // It was connected again an hour ago.
    lines.since = lines.now - 60 * MINUTE_MS;
    expect(lines.findings()).toEqual([]);
    lines.hours(2, "b");
    expect(lines.findings()).toEqual(["a unreachable"]);
  });

  it("is not found before the service has heard for as long as that", () => {
    const lines = new Lines();
    lines.silence.heard("a", PREFIX, lines.now - 10 * SILENT_MS);
    lines.hours(2, "x");
    expect(lines.findings()).toEqual([]);
  });

  it("that stays silent for days is given up, and one that is forgotten is not found", () => {
    const lines = new Lines();
    lines.hour("a", "b", "x");
    lines.silence.forget("b");
    lines.hours(80, "x");
    expect([lines.findings(), lines.silence.size]).toEqual([[], 1]);
  });

  it("is one of a bounded number", () => {
    const lines = new Lines();
    for (let n = 0; n < 5_000; n += 1) lines.silence.heard(`a${n}`, PREFIX, lines.now);
    expect(lines.silence.size).toBe(1_000);
  });

  it("waits for the next look when there are too many", () => {
    const lines = new Lines();
    lines.hour("a", "b", "c", "x");
    lines.hours(3, "x");
    expect(lines.findings(2)).toHaveLength(2);
    expect(lines.findings(2)).toHaveLength(1);
    expect(lines.findings(2)).toEqual([]);
  });
});

describe("a line", () => {
  it("is out when three of five are silent: the others are told as well, once, and again when it is out again", () => {
    const lines = new Lines();
    lines.hours(2, "a", "b", "c", "d", "e", "x");
    lines.hours(3, "d", "e", "x");
    expect(lines.findings()).toEqual(["a unreachable", "b unreachable", "c unreachable", "d outage", "e outage"]);
    expect(lines.silence.linesOut).toBe(1);
    lines.hour("d", "e", "x");
    expect(lines.findings()).toEqual([]);
    lines.hour("a", "b", "c", "d", "e", "x");
    expect([lines.findings(), lines.silence.linesOut]).toEqual([[], 0]);
    lines.hours(3, "d", "e", "x");
    expect(lines.findings()).toHaveLength(5);
  });

  it("is told with the hour in which it began, and no finer", () => {
    const lines = new Lines();
    lines.hour("a", "b", "c", "d", "e", "x");
    lines.hours(3, "d", "e", "x");
    const found = lines.silence.findings(lines.now, lines.since, 10).find(({ type }) => type === "outage");
    expect(found?.since).toBe(BEGIN - 20 * MINUTE_MS);
  });

  it("of fewer names than that, or with fewer of them silent, is not said to be out", () => {
    const few = new Lines();
    few.hour("a", "b", "c", "d", "x");
    few.hours(3, "d", "x");
    expect(few.findings()).toEqual(["a unreachable", "b unreachable", "c unreachable"]);
    const most = new Lines();
    most.hour("a", "b", "c", "d", "e", "x");
    most.hours(3, "c", "d", "e", "x");
    expect(most.findings()).toEqual(["a unreachable", "b unreachable"]);
  });

  it("ends with the epoch of its names", () => {
    const lines = new Lines();
    lines.hour("a", "b", "c", "d", "e", "x");
    lines.hours(3, "d", "e", "x");
    lines.silence.clear();
    expect([lines.findings(), lines.silence.size, lines.silence.linesOut]).toEqual([[], 0, 0]);
  });
});
