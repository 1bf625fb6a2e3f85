/** A service is given data for the purposes it has, within its categories, and only while the policy covers it. */
import { expect, test } from "vitest";
import { LOCATION, MODEL, STATUS } from "../../model/consent.ts";
import { type RecipientService, Recipients } from "./recipients.ts";

const SKY: RecipientService = {
  name: "sky",
  purposes: ["weather", "weather", "scene"],
  region: "IN",
  contractRef: "c-1",
};
const NET: RecipientService = { name: "net", purposes: ["network"], region: "DE" };

function recipients(covers: () => boolean = () => true, ...services: RecipientService[]) {
  const made = new Recipients({ covers });
  made.use(services);
  return made;
}

test("each service is one recipient for each of its purposes, numbered through", () => {
  expect(
    recipients(undefined, SKY, NET).all.map(({ index, name, purpose, contract }) => [index, name, purpose, contract]),
  ).toEqual([
    [0, "sky", "weather", "c-1"],
    [1, "sky", "scene", "c-1"],
    [2, "net", "network", undefined],
  ]);
});

test("one that the policy does not cover is given nothing, and neither is one for a purpose not its own", () => {
  let covered = true;
  const made = recipients(() => covered, SKY, NET);
  expect(made.entitlement("sky", "scene")?.recipient).toBe(made.all[1]);
  expect(made.entitlement("sky", "network")).toBeUndefined();
  expect(made.entitlement("other", "scene")).toBeUndefined();
  covered = false;
  expect(made.entitlement("sky", "scene")).toBeUndefined();
});

test("categories narrow what a purpose gives, and never widen it", () => {
  const made = recipients(undefined, { ...SKY, categories: ["status", "location", "ip"] });
  expect(made.entitlement("sky", "scene")?.categories).toBe(STATUS);
  expect(made.entitlement("sky", "weather")?.categories).toBe(LOCATION | STATUS);
  made.use([SKY]);
  expect(made.entitlement("sky", "scene")?.categories).toBe(MODEL | STATUS);
});

test("a recipient that is gone stays known to the account, and is the same when it comes back", () => {
  const made = recipients(undefined, SKY, NET);
  made.use([NET]);
  expect(made.entitlement("sky", "scene")).toBeUndefined();
  made.use([NET, { ...SKY, region: "DE" }]);
  expect(made.entitlement("sky", "scene")?.recipient).toMatchObject({ index: 4, region: "DE" });
  made.use([NET, SKY]);
  expect(made.entitlement("sky", "scene")?.recipient.index).toBe(1);
  expect(made.all).toHaveLength(5);
});

test("beyond what the account has room for a recipient is given nothing", () => {
  const made = new Recipients({ covers: () => true });
  const many = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) => ({ ...NET, name: `net-${from + n}` }) satisfies RecipientService);
  expect(made.use(many(0, 10_000))).toBe(true);
  expect(made.use(many(1, 10_000))).toBe(false);
  expect(made.entitlement("net-9999", "network")?.recipient.index).toBe(9_999);
  expect(made.entitlement("net-10000", "network")).toBeUndefined();
});
