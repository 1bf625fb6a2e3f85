/** What every family takes and leaves out, case by case, as its firmware publishes it; strangers, friends and neighbours among them. */
import { describe, expect, it } from "vitest";
import { dialectNamed } from "../../tests/fixtures/dialects.ts";
import { familyCases, isRegistered } from "../../tests/fixtures/live-cases.ts";
import { readPublication } from "./read.ts";

const families = [...new Set(familyCases.map(({ dialect }) => dialect))];

describe.each(families)("%s", (name) => {
  const dialect = dialectNamed(name);
  it.each(familyCases.filter((one) => one.dialect === name).map((one) => [one.topic, one.payload, one] as const))(
    "%s %s",
    (_, __, { self, topic, payload, expect: expected }) => {
      const result = readPublication(
        dialect,
        { isSelf: (word) => word === self, hasChild: isRegistered },
        topic,
        payload,
      );
      if ("refused" in result) {
        expect({ refused: result.refused }).toEqual(expected);
        return;
      }
      const [{ child, telemetry } = { child: undefined, telemetry: {} }] = result;
      expect(result).toHaveLength(1);
      expect({ ...(child !== undefined && { child }), ...telemetry }).toEqual(expected);
    },
  );
});

it("has cases for every family that comes with the gateway", () => {
  expect(families.length).toBe(18);
});
