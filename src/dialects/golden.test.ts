/** Every golden case through the compiler, and every real publication of the four families that close the mechanism. */
import { describe, expect, it } from "vitest";
import { dialectNamed, goldenCases } from "../../tests/fixtures/dialects.ts";
import { readPublication } from "./read.ts";

it("a car says with the temperature outside what it is, so that scenes are not told the weather of a town", () => {
  const dialect = dialectNamed("teslamate");
  const sender = { isSelf: () => true, hasChild: () => true };
  for (const topic of ["teslamate/cars/1/outside_temp", "teslamate/home/cars/1/outside_temp"]) {
    const result = readPublication(dialect, sender, topic, "21.5");
    if ("refused" in result) throw new Error(result.refused);
    const { model, status } = result[0]?.telemetry ?? {};
    expect(status).toEqual({ temperature: 21.5 });
    expect(dialect.models.find(({ match }) => match === model)?.outdoor).toBe(true);
  }
});

describe("golden cases", () => {
  it.each(goldenCases.map((one) => [one.topic, one.note, one] as const))(
    "%s: %s",
    (_, __, { topic, payload, connection, device, expect: expected }) => {
      const { children = {} } = connection;
      const sender = {
        isSelf: (word: string) => word === (connection.alias ?? connection.device),
        hasChild: (alias: string) => Object.hasOwn(children, alias),
      };
      const result = readPublication(dialectNamed(connection.dialect), sender, topic, payload);
      if ("refused" in result) {
        expect(result.refused === "not-taken" ? { ignored: true } : { refused: result.refused }).toEqual(expected);
        return;
      }
      const [only] = result;
      expect(result).toHaveLength(1);
      expect(only?.telemetry).toEqual(expected);
      expect(only?.child === undefined ? connection.device : children[only.child]).toBe(device);
    },
  );
});
