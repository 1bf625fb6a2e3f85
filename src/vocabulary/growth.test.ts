import { expect, it } from "vitest";
import { growthOf } from "./growth.ts";
import { type PropertyRow, propertyRow } from "./row.ts";

const number = (name: string, more: object = {}): PropertyRow =>
  propertyRow.parse({ name, kind: "number", range: "0..10", step: 1, ...more });
const [TIDE, DRAFT] = [number("tide"), propertyRow.parse({ name: "draft", kind: "flag" })];

it("tells what is added from what is changed, whatever the order", () => {
  expect(growthOf([], [])).toBe("same");
  expect(growthOf([TIDE, DRAFT], [DRAFT, { ...number("tide") }])).toBe("same");
  expect(growthOf([TIDE], [DRAFT, TIDE])).toBe("added");
  expect(growthOf([TIDE, DRAFT], [TIDE])).toBe("changed");
  expect(growthOf([TIDE, DRAFT], [TIDE, number("level")])).toBe("changed");
});

it.each([{ step: 2 }, { range: "0..11" }, { label: "another" }, { stored: "5" }, { weather: 2 }])(
  "takes a property that tells more or less for a change (%o)",
  (column) => {
    expect(growthOf([TIDE], [number("tide", column), DRAFT])).toBe("changed");
  },
);
