/** A race passes only if it found nothing, and looked at enough of everything to have found it. */
import { expect, it } from "vitest";
import { FULL_RUN, type RaceResult, type ResultInput, racePassed, raceText, resultOf } from "./result.ts";
import { SentMessages } from "./sent-messages.ts";
import { Tally } from "./tally.ts";
import type { Verdict } from "./verdict.ts";

const LEAST = 10;
const CLEAN: Verdict = {
  storedAfterWithdrawal: 0,
  rowsAfterErasure: 0,
  forwardedAfterWithdrawal: 0,
  lost: 0,
  lostWhereConsentHeld: 0,
  forwardedAtTheAnswer: 3,
  checkedRows: { device_status: LEAST, device_location: LEAST },
  checkedPackets: { weather: LEAST, scene: LEAST, network: LEAST },
  violations: [],
};

function result(changes: Partial<Verdict> = {}, run: Partial<ResultInput> = { leastChecked: LEAST }): RaceResult {
  return resultOf({
    seed: 1,
    messages: FULL_RUN.messages,
    verdict: { ...CLEAN, ...changes },
    tally: new Tally(),
    sent: new SentMessages(1),
    fleet: { repeated: 0, lostConnections: 0 },
    listeners: { askedMs: [] },
    racingMs: 1,
    durationMs: 1,
    ...run,
  });
}

it("passes when everything was looked at and nothing was found", () => {
  expect(racePassed(result())).toBe(true);
});

it.each(["storedAfterWithdrawal", "rowsAfterErasure", "forwardedAfterWithdrawal", "lost"] as const)(
  "fails when %s counts one",
  (finding) => {
    expect(racePassed(result({ [finding]: 1 }))).toBe(false);
  },
);

it.each([
  ["device_status", { checkedRows: { ...CLEAN.checkedRows, device_status: LEAST - 1 } }],
  ["device_location", { checkedRows: { ...CLEAN.checkedRows, device_location: 0 } }],
  ["weather", { checkedPackets: { ...CLEAN.checkedPackets, weather: 0 } }],
  ["scene", { checkedPackets: { ...CLEAN.checkedPackets, scene: LEAST - 1 } }],
  ["network", { checkedPackets: { ...CLEAN.checkedPackets, network: 0 } }],
])("fails, and says so, when it checked too little of %s", (kind, changes) => {
  const small = result(changes);
  expect(small.nothingChecked).toEqual([kind]);
  expect(racePassed(small)).toBe(false);
  expect(raceText(small)).toContain(`NOTHING CHECKED: too few of ${kind}`);
});

it.each([
  [100_000, 1_000],
  [1_000_000, 1_000],
  [3_000, 30],
  [1, 1],
])("asks of %i messages for %i of each", (messages, least) => {
  const weather = (count: number) => ({
    checkedRows: { device_status: 1_000, device_location: 1_000 },
    checkedPackets: { weather: count, scene: 1_000, network: 1_000 },
  });
  expect(result(weather(least), { messages }).nothingChecked).toEqual([]);
  expect(result(weather(least - 1), { messages }).nothingChecked).toEqual(["weather"]);
});
