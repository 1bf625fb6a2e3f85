/** What every family takes and leaves out, case by case, as its firmware publishes it; strangers, friends and neighbours among them. */
import { describe, expect, it } from "vitest";
import { casesIn, dialectNamed } from "../../tests/fixtures/dialects.ts";
import { readPublication } from "./read.ts";

interface Case {
  readonly dialect: string;
  readonly self: string;
  readonly topic: string;
  readonly payload: string;
  /** A refusal, or the message with the alias of its child. */
  readonly expect: Readonly<Record<string, unknown>>;
}

const cases = casesIn<readonly Case[]>("families.json");
const families = [...new Set(cases.map(({ dialect }) => dialect))];

/** Everything is registered behind a hub but what is called a stranger; names hold no slash but one. */
const hasChild = (alias: string): boolean => alias === "room/lamp" || !/^stranger|\//.test(alias);

describe.each(families)("%s", (name) => {
  const dialect = dialectNamed(name);
  it.each(cases.filter((one) => one.dialect === name).map((one) => [one.topic, one.payload, one] as const))(
    "%s %s",
    (_, __, { self, topic, payload, expect: expected }) => {
      const result = readPublication(dialect, { isSelf: (word) => word === self, hasChild }, topic, payload);
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
