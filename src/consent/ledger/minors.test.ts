/** Data of a minor stored as an adult's stay on record until their erasure is requested, and no longer. */
import { expect, test } from "vitest";
import type { ConsentEvent } from "../../model/consent-record.ts";
import { adultDataRemains } from "./minors.ts";

const given = (minor?: boolean) => ({ type: "given", minor }) as ConsentEvent;
const erasure = { type: "erasure-requested" } as ConsentEvent;
const refused = (minor?: boolean) => ({ type: "refused", minor }) as ConsentEvent;
const reconfirmed = { type: "reconfirmed" } as ConsentEvent;
const other = { type: "withdrawn" } as ConsentEvent;

test.each([
  ["nothing was ever stated", [], false],
  ["an adult stays an adult", [given(), given(false)], false],
  ["a minor was always a minor", [given(true), given()], false],
  ["an adult turns out to be a minor", [given(), given(true)], true],
  ["and states something else since", [given(), given(true), other, given()], true],
  ["and counted as a minor before", [given(true), given(false), given(true)], true],
  ["an adult refuses, and turns out to be a minor", [given(), refused(true)], true],
  ["a minor refuses and never consented", [refused(true)], false],
  ["an adult reconfirms before that", [reconfirmed, refused(true)], true],
  ["and it was a mistake", [given(), given(true), given(false)], false],
  ["and the erasure was requested", [given(), given(true), erasure], false],
  ["and consent was given again since", [given(), given(true), erasure, given(true)], false],
  ["and was an adult again since", [given(), given(true), erasure, given(false), given(true)], true],
])("%s", (_what, events, expected) => {
  expect(adultDataRemains(events)).toBe(expected);
});
