/** Gateways on one Redis: what differs is marked, and another version is shown whatever it says. */
import { expect, it } from "vitest";
import { type GatewayNotice, gatewaysShown } from "./gateways.ts";
import { gateway } from "./shapes.ts";

const OWN: GatewayNotice = {
  id: "00000000000000aa",
  version: "1.2.0",
  startedAt: 1_767_225_600_000,
  reasons: [],
  keys: { lookup: "0123456789abcdef", "queue.q0001": "0123456789abcde0" },
  configuration: { mqtt: "0123456789ab" },
};

it("shows this one first and once, and one that is the same without a difference", () => {
  const twin = { ...OWN, id: "00000000000000bb", reasons: ["backlog-full"] };
  const [self, other, ...more] = gatewaysShown(OWN, [{ notice: twin }, { notice: OWN }]);
  expect(self).toMatchObject({ id: OWN.id, self: true, ready: true, differs: [] });
  expect(other).toMatchObject({ id: twin.id, self: false, ready: false, reasons: ["backlog-full"], differs: [] });
  expect(more).toEqual([]);
});

it("marks what is another, or is on one side alone", () => {
  const { lookup: _, ...keys } = OWN.keys;
  const other = { ...OWN, id: "00000000000000bb", version: "1.3.0", keys, configuration: { mqtt: "fedcba987654" } };
  expect(gatewaysShown(OWN, [{ notice: other }])[1]?.differs).toEqual(["version", "keys.lookup", "configuration.mqtt"]);
});

it("a version that tells nothing, or something else, is shown with what is understood of it", () => {
  const strange = [
    { queue: { q0001: "0123456789abcde0" }, sealing: [], masters: [] },
    { notice: { ...OWN, id: "00000000000000bb", reasons: ["backlog-full", "moon-phase"], more: { x: 1 } } },
    { notice: "<script>", queue: 7 },
    { notice: { ...OWN, id: "00000000000000cc", keys: { "<img>": "0123456789abcdef", lookup: "anna@example.org" } } },
    null,
    "nonsense",
  ];
  const shown = gatewaysShown(OWN, strange);
  expect(shown.map(({ id, keys }) => [id, Object.keys(keys)])).toEqual([
    [OWN.id, ["lookup", "queue.q0001"]],
    ["other-1", ["queue.q0001"]],
    ["00000000000000bb", ["lookup", "queue.q0001"]],
    ["other-3", []],
    ["00000000000000cc", []],
    ["other-5", []],
    ["other-6", []],
  ]);
  expect(shown[2]?.reasons).toEqual(["backlog-full"]);
  expect(shown.map((one) => gateway.safeParse(one).success)).toEqual(shown.map(() => true));
});

it("shows no more than a page can hold", () => {
  expect(
    gatewaysShown(
      OWN,
      Array.from({ length: 1_000 }, () => ({})),
    ).length,
  ).toBe(65);
});
