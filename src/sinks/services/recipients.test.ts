/** A service is given data for the purposes it is configured for, and only while the policy covers it. */
import { expect, test } from "vitest";
import { Recipients } from "./recipients.ts";

const services = [
  { name: "sky", purposes: ["weather", "weather", "scene"] as const, region: "IN", contractRef: "c-1" },
  { name: "net", purposes: ["network"] as const, region: "DE" },
];

test("each service is one recipient for each of its purposes, numbered through", () => {
  const { all } = new Recipients(services, { covers: () => true });
  expect(all.map(({ index, name, purpose, contract }) => [index, name, purpose, contract])).toEqual([
    [0, "sky", "weather", "c-1"],
    [1, "sky", "scene", "c-1"],
    [2, "net", "network", undefined],
  ]);
});

test("one that the policy does not cover is given nothing, and neither is one for a purpose not its own", () => {
  let covered = true;
  const recipients = new Recipients(services, { covers: () => covered });
  expect(recipients.recipient("sky", "scene")).toBe(recipients.all[1]);
  expect(recipients.recipient("sky", "network")).toBeUndefined();
  expect(recipients.recipient("other", "scene")).toBeUndefined();
  covered = false;
  expect(recipients.recipient("sky", "scene")).toBeUndefined();
});
