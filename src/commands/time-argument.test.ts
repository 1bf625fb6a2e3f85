import { expect, test } from "vitest";
import { lengthOf, momentOf } from "./time-argument.ts";

test.each([
  ["30m", 1_800_000],
  ["12h", 43_200_000],
  ["90d", 7_776_000_000],
  ["0d", undefined],
  ["-1d", undefined],
  ["1.5h", undefined],
  ["999999d", undefined],
  ["1 d", undefined],
  ["2027-01-31", undefined],
  ["", undefined],
])("%s is so many milliseconds: %s", (text, length) => {
  expect(lengthOf(text)).toBe(length);
});

test.each([
  ["1d", 86_401_000],
  ["2027-01-31", Date.UTC(2027, 0, 31)],
  ["2027-01-31T08:30Z", Date.UTC(2027, 0, 31, 8, 30)],
  ["2027-13-31", undefined],
  ["2027-01-31T08:30", undefined],
  ["31.1.2027", undefined],
  ["1767225600000", undefined],
])("%s is the moment %s", (text, moment) => {
  expect(momentOf(text, 1_000)).toBe(moment);
});
