/** The demo passes only when everything is in order and it has shown what it is there to show. */
import { describe, expect, it } from "vitest";
import { type DemoResult, demoJson, demoPassed, demoText, USUAL_RUN } from "./demo-report.ts";
import { SentLog } from "./sent-log.ts";

const refused = { "no-consent": 9, "unknown-device": 5, "guardian-missing": 3, "invalid-payload": 1 };

function result({
  published = 16_000,
  ...more
}: {
  published?: number;
  books?: object;
  report?: object;
  scan?: object;
  loops?: object;
} = {}) {
  const books = { received: published, stored: published - 18, forwardedOnly: 0, deadLettered: 0, inFlight: 0 };
  return {
    report: {
      published,
      acknowledged: published,
      elapsedMs: 20_000,
      pubackMs: { p50: 3, p99: 9 },
      books: { ...books, refused, forwarded: { weather: 1, scene: 1, network: 1 }, ...more.books },
      stored: undefined,
      withdrawals: { people: 1, slowestMs: 5 },
      attacks: [],
      eavesdropping: [],
      problems: [],
      ...more.report,
    },
    scan: { leaks: [], scannedBytes: 1_000, canaryCount: 7, ...more.scan },
    loops: {
      weather: { cells: 3, forecastsDelivered: 9, devicesReached: 9 },
      scene: { rulesFired: 2, commandsDelivered: 2, medianMs: 8 },
      toldCells: 1,
      problems: [],
      ...more.loops,
    },
    durability: "fsync",
    atLeast: USUAL_RUN,
  } as unknown as DemoResult;
}

describe("a demo", () => {
  it("passes when all is in order", () => {
    expect(demoPassed(result())).toBe(true);
    expect(demoText(result(), new SentLog())).toContain("Everything adds up, and nothing leaked.");
  });

  it.each([
    ["has published too little", result({ published: 9_999 })],
    ["has shown too few reasons to refuse", result({ books: { refused: { "no-consent": 9, "over-rate": 1 } } })],
    ["has books that do not add up", result({ report: { problems: ["a message was lost"] } })],
    ["could not read the books", result({ report: { books: undefined } })],
    ["has leaked", result({ scan: { leaks: [{ canaryKind: "id", form: "plain", where: "redis", count: 1 }] } })],
    ["has told no device of the weather", result({ loops: { weather: { cells: 0, devicesReached: 0 } } })],
    ["has switched nothing", result({ loops: { scene: { rulesFired: 2, commandsDelivered: 0, medianMs: 0 } } })],
    ["has a loop that does not add up", result({ loops: { problems: ["a command was lost"] } })],
    ["has scanned nothing", result({ scan: { scannedBytes: 0 } })],
  ])("fails when it %s", (_what, failed) => {
    expect(demoPassed(failed)).toBe(false);
  });

  it("says what it has not shown, to people and to programs", () => {
    const small = result({ published: 9_999 });
    expect(demoText(small, new SentLog())).toMatch(/TOO LITTLE: 9,999 messages were published[\s\S]*The demo FAILED/);
    expect(demoJson(small).problems).toEqual(["9,999 messages were published, at least 10,000 are needed"]);
  });

  it("of another size has to show nothing but that it is in order", () => {
    expect(demoPassed({ ...result({ published: 9, books: { refused: {} } }), atLeast: undefined })).toBe(true);
  });
});
