/** A token that was replaced since a backup does not come back with it, nor does the hub that a device has left. */
import { expect, test } from "vitest";
import type { DeviceKey } from "../../model/ids.ts";
import { credentialSince } from "./credential.ts";

const DEVICE = "device" as DeviceKey;
const SAVED = { number: "2", mac: "saved", dialect: "tasmota", hub: "hub", hubAlias: "lamp", tag: "subject" };

const since = (latest: { number: number; mac: string } | undefined, stands = true, fields = SAVED) =>
  credentialSince(DEVICE, fields, { tokenOf: () => latest as never, registrationStands: () => stands });

test("the token of the backup holds while it is the latest one", () => {
  expect(since(undefined)).toEqual({ kept: SAVED, tokenDropped: false });
  expect(since({ number: 2, mac: "saved" })).toEqual({ kept: SAVED, tokenDropped: false });
  expect(since({ number: 1, mac: "earlier" })).toEqual({ kept: SAVED, tokenDropped: false });
});

test("a token that was replaced is dropped, with what was said of it, and its number is never issued again", () => {
  const { hub, hubAlias, tag } = SAVED;
  expect(since({ number: 5, mac: "later" })).toEqual({
    kept: { number: "5", hub, hubAlias, tag },
    tokenDropped: true,
  });
  expect(since({ number: 2, mac: "another" }).tokenDropped).toBe(true);
});

test("a hub that the device has left is dropped, and its token stays", () => {
  const { number, mac, dialect, tag } = SAVED;
  expect(since(undefined, false)).toEqual({ kept: { number, mac, dialect, tag }, tokenDropped: false });
});
