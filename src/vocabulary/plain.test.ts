/** What a person reads about a reading is what becomes of it. */
import { expect, it } from "vitest";
import { plainly } from "./plain.ts";
import { propertyRow } from "./row.ts";
import { Vocabulary } from "./vocabulary.ts";

const own = propertyRow.parse({ name: "glow", kind: "number", range: "0..9", step: "1 digits, at least 0.5" });
const shade = propertyRow.parse({ name: "shade", kind: "number", range: "0..99", step: 1, stored: "from 0, 30, 60" });
const vocabulary = new Vocabulary([own, shade], "classes");

it.each([
  ["temperature", "rounded to 0.5 °C", "rounded to 0.5 °C", "rounded to 0.5 °C"],
  ["illuminance", "rounded to 1 digit", "rounded to 2 digits", "rounded to 2 digits"],
  ["uv_index", "rounded to 0.5", "rounded to 0.5", "rounded to 0.5"],
  [
    "power",
    "rounded to 1 digit, and to 50 W at the finest",
    "rounded to 2 digits, and to 5 W at the finest",
    undefined,
  ],
  ["battery", "only whether it reaches 20 %", "rounded to 5 %", undefined],
  ["shade", "only which of these it reaches: 30, 60", "rounded to 1", undefined],
  ["energy", "how much was added, to 0.01 kWh", "how much was added, to 0.01 kWh", undefined],
  ["rain", "how much was added, to 0.2 mm", "how much was added, to 0.2 mm", "how much was added, to 0.2 mm"],
  ["open", "yes or no", "yes or no", undefined],
  ["lock_state", "one of locked, unlocked, jammed, unknown", "one of locked, unlocked, jammed, unknown", undefined],
  ["glow", "rounded to 1 digit, and to 0.5 at the finest", "rounded to 1 digit, and to 0.5 at the finest", undefined],
])("%s is %s", (name, stored, scene, weather) => {
  const property = vocabulary.properties.find((one) => one.name === name);
  expect(property && plainly(property)).toMatchObject({
    name,
    label: property?.label,
    stored,
    scene,
    ...(weather && { weather }),
  });
});

it.each([
  ["temperature", "rounded to 0.1 °C"],
  ["battery", "rounded to 5 %"],
  ["power", "rounded to 2 digits, and to 5 W at the finest"],
  ["shade", "only which of these it reaches: 30, 60"],
])("%s is stored to its steps unless classes are asked for", (name, stored) => {
  const property = new Vocabulary([own, shade]).get(name);
  expect(property && plainly(property)).toMatchObject({ stored });
});

it.each([
  ["temperature", { unit: "°C" }],
  ["energy", { unit: "kWh", added: true }],
  ["outages", { added: true }],
  ["uv_index", {}],
  ["open", {}],
])("a value of %s has the unit and meaning %o", (name, expected) => {
  const property = vocabulary.get(name);
  const { unit, added } = (property && plainly(property)) ?? {};
  expect({ unit, added }).toEqual({ unit: undefined, added: undefined, ...expected });
});

it("says something of every property", () => {
  for (const property of vocabulary.properties) expect(JSON.stringify(plainly(property))).not.toContain("nothing");
});
